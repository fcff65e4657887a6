# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store an option ``store`` names; the twin of the documentation fragment ``backup_store``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Store

_S3: dict[str, Any] = {
    "bucket": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": ""},
    "endpoint": {"type": "str"},
    "region": {"type": "str"},
    "access_key": {"type": "str", "no_log": False},
    "secret_key": {"type": "str", "no_log": True},
    "profile": {"type": "str"},
    "ca_bundle": {"type": "path"},
    "part_size": {"type": "int", "default": 16},
    "object_lock_days": {"type": "int", "default": 0},
    "object_lock_mode": {"type": "str", "choices": ["governance", "compliance"], "default": "governance"},
}

STORE_OPTIONS: dict[str, dict[str, Any]] = {
    "store": {
        "type": "dict",
        "options": {
            "path": {"type": "path"},
            "s3": {
                "type": "dict",
                "options": _S3,
                "required_together": [("access_key", "secret_key")],
                "mutually_exclusive": [("access_key", "profile")],
            },
        },
        "required_one_of": [("path", "s3")],
        "mutually_exclusive": [("path", "s3")],
    }
}


def store_of(given: Mapping[str, Any]) -> Store:
    """``given``: the value of the option."""
    if given.get("path"):
        from .local import LocalStore

        return LocalStore(given["path"])
    from .bucket import Place
    from .s3 import S3Store

    options = {name: value for name, value in given["s3"].items() if value is not None}
    prefix = options.pop("prefix", "").strip("/")
    lock = {"lock_days": options.pop("object_lock_days", 0), "lock_mode": options.pop("object_lock_mode", "governance")}
    return S3Store(Place(prefix=f"{prefix}/" if prefix else "", **options, **lock))
