# SPDX-License-Identifier: GPL-3.0-or-later
"""What one stand-in answers and how it misbehaves.

APP_CONFIG is JSON itself, or the path of a JSON or YAML file: the settings of one application, or of all the parts of
a system, of which APP_PART is one.

    defaults: {port: 3000}                  # of every part, its endpoints included
    parts:
      reporting:
        endpoints:
          /health: {health: true, body: {status: healthy, version: "{version}"}}
          /api/reports: {method: POST, token: true, body: {id: 1}}
    faults: {"1.6.1": {after: 15, error_share: 0.05}, "1.6.2": {parts: [reporting], crash: true}}

Faults are given by version, so that one configuration serves good and bad versions alike; `*` is any version.
APP_FAULTS has more of them, as JSON or a path; those of APP_CONFIG win.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.endpoint import Endpoint

Given = Mapping[str, Any]
HEALTH = {path: {"health": True, "body": {"status": "ok"}} for path in ("/healthz", "/readyz")}
VERSION = {"/version": {"body": {"version": "{version}"}}}


@dataclass(frozen=True)
class Fault:
    after: float = 0.0
    """Seconds of good behaviour first."""
    parts: tuple[str, ...] = ()
    """The only parts that have the fault; all of them if empty."""
    error_share: float = 0.0
    latency: float = 0.0
    """Seconds that every answer but that of /metrics takes longer."""
    unready: bool = False
    crash: bool = False
    mute: bool = False
    """There are no metrics."""
    memory_growth: float = 0.0
    """MiB a second."""
    bad_migration: bool = False
    inaccurate: bool = False
    """No model keeps its bounds."""


@dataclass(frozen=True)
class Settings:
    version: str
    part: str = ""
    port: int = 8090
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Gauges beside those that are counted, with their labels in the name."""
    models: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    """What a command line of the real application stands for: a verb of `app.cli`."""
    records: str = "alembic"
    """Who records which revision the schema has: alembic or sqlx."""
    image: str = ""
    drain: float = 5.0
    """Seconds it goes on accepting after SIGTERM, until everybody knows that it is leaving."""
    token: str = "of-the-stand-in"
    database: str = ""
    queue: str = ""
    fault: Fault = Fault()


def read(environment: Given) -> Settings:
    version, part = environment["APP_VERSION"], environment.get("APP_PART", "")
    content = load(environment.get("APP_CONFIG", "{}"))
    faults = {**load(environment.get("APP_FAULTS", "{}")), **content.pop("faults", {})}
    if "parts" in content:
        content = of_part(content, part)
    endpoints = {**VERSION, **content.pop("endpoints", HEALTH)}
    given = {"token": "APP_TOKEN", "database": "DATABASE_URL", "queue": "QUEUE_URL"}
    outside = {name: environment[variable] for name, variable in given.items() if environment.get(variable)}
    return Settings(
        version=version,
        part=part,
        endpoints={path: Endpoint(**one) for path, one in endpoints.items()},
        fault=fault_of(faults, version, part),
        **{**content, **outside},
    )


def load(given: str) -> dict[str, Any]:
    if given.lstrip().startswith("{"):
        return dict(json.loads(given))
    path = Path(given)
    if path.suffix == ".json":
        return dict(json.loads(path.read_text("utf-8")))
    import yaml  # only files of systems are YAML, and not every Python has it

    return dict(yaml.safe_load(path.read_text("utf-8")))


def of_part(content: Given, part: str) -> dict[str, Any]:
    """The settings of one part, over the defaults of its system."""
    if part not in content["parts"]:
        raise SystemExit(f"fatal: APP_PART {part!r} is none of {', '.join(content['parts'])}")
    defaults, own = content.get("defaults") or {}, content["parts"][part] or {}
    shared = {name: content[name] for name in ("models", "commands", "records") if name in content}
    endpoints = {**(defaults.get("endpoints") or {}), **(own.get("endpoints") or {})}
    return {**shared, **defaults, **own, "endpoints": endpoints}


def fault_of(faults: Given, version: str, part: str) -> Fault:
    given = dict(faults.get(version) or faults.get("*") or {})
    fault = Fault(**{**given, "parts": tuple(given.get("parts", ()))})
    return fault if not fault.parts or part in fault.parts else Fault()


def mine() -> Settings:
    """Of this process; what is not set is what the image has."""
    return read(os.environ)
