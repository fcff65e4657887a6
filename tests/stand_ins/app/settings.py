# SPDX-License-Identifier: GPL-3.0-or-later
"""What one stand-in answers and how it misbehaves, read from APP_CONFIG: a JSON file, or the JSON itself.

    {
      "port": 8090,
      "health": ["/health"],
      "answers": {"/status": {"state": "active"}},
      "drain": 5,
      "faults": {"1.6.1": {"after": 15, "error_share": 0.05}}
    }

Faults are given by version, so that one configuration serves good and bad versions alike.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fault:
    after: float = 0.0
    """Seconds of good behaviour first."""
    error_share: float = 0.0
    latency: float = 0.0
    unready: bool = False
    crash: bool = False


@dataclass(frozen=True)
class Settings:
    version: str
    port: int = 8090
    health: tuple[str, ...] = ("/healthz", "/readyz")
    answers: dict[str, Any] = field(default_factory=dict)
    drain: float = 5.0
    """Seconds it goes on accepting after SIGTERM, until everybody knows that it is leaving."""
    fault: Fault = Fault()


def read(environment: os._Environ[str] | dict[str, str]) -> Settings:
    version = environment["APP_VERSION"]
    given = environment.get("APP_CONFIG", "{}")
    content = json.loads(given if given.lstrip().startswith("{") else Path(given).read_text())
    faults = content.pop("faults", {})
    content["health"] = tuple(content.get("health", Settings.health))
    return Settings(version=version, fault=Fault(**faults.get(version, {})), **content)
