# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One release as every module that takes part in it knows it; the twin of the documentation fragment ``run``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

RUN_OPTIONS: dict[str, dict[str, Any]] = {
    "run": {
        "type": "dict",
        "options": {
            "release": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "lease": {"type": "str", "required": True},
            "token": {"type": "int", "required": True, "no_log": False},
            "who": {"type": "str", "required": True},
            "ttl": {"type": "int", "default": 60},
            "mirror": {"type": "path"},
            "signing_key": {"type": "path", "no_log": False},
        },
    }
}


@dataclass(frozen=True)
class Run:
    """The release's ledger and lock; ``ttl`` in seconds, ``mirror`` a folder and ``signing_key`` a file, or empty."""

    release: str
    namespace: str
    lease: str
    token: int
    who: str
    ttl: int = 60
    mirror: str = ""
    signing_key: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Run | None:
        """The option ``run`` of a module; None outside of a release."""
        if not given:
            return None
        return cls(**{**given, **{name: given.get(name) or "" for name in ("mirror", "signing_key")}})

    def report(self) -> dict[str, Any]:
        return asdict(self)
