# SPDX-License-Identifier: GPL-3.0-or-later
"""Run what operators run, and watch who answers meanwhile."""

from __future__ import annotations

import http.client
import json
import math
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
INVENTORY = ROOT / "inventories" / "local"
RECORDS = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Line:
    """One figure: the value of a measure over `values`, its goal, and the same of a peer in the same run."""

    measure: str
    values: Sequence[float]
    unit: str
    goal: float | None = None
    statistic: str = "p95"
    peer: dict[str, Any] | None = None

    def record(self, commit_id: str) -> dict[str, Any]:
        value = {"p95": p95, "median": statistics.median, "sum": math.fsum, "max": max}[self.statistic](self.values)
        return {
            "measure": self.measure,
            "value": round(value, 3),
            "unit": self.unit,
            "bar": self.goal,
            "n": len(self.values),
            "statistic": self.statistic,
            "spread": [round(min(self.values), 3), round(max(self.values), 3)],
            "peer": self.peer,
            "commit": commit_id,
        }


def p95(values: Sequence[float]) -> float:
    ranked = sorted(values)
    return ranked[math.ceil(0.95 * len(ranked)) - 1]


def commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()


@dataclass(frozen=True)
class Run:
    """A playbook that has ended."""

    code: int
    began: float
    seconds: float
    output: str


def playbook(path: str, system: str, **variables: Any) -> Run:
    """Run a playbook as an operator does; the clock starts when the command is typed."""
    extra = {"release_record": str(RECORDS), "release_lift": "measured again", **variables}
    command = [str(BIN / "ansible-playbook"), str(ROOT / path), f"--inventory={INVENTORY}", f"--limit={system}"]
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    began = time.time()
    done = subprocess.run(
        [*command, f"--extra-vars={json.dumps(extra)}"], check=False, cwd=ROOT, env=env, capture_output=True, text=True
    )
    return Run(done.returncode, began, time.time() - began, done.stdout + done.stderr)


def must(run: Run) -> Run:
    if run.code:
        sys.exit(f"a run that had to succeed ended with {run.code}:\n{run.output[-4000:]}")
    return run


@dataclass
class Asker:
    """One new connection after the other; remembers who answered when."""

    url: str
    host: str = ""
    answers: list[tuple[float, str]] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)

    def __enter__(self) -> Asker:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask_on)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask_on(self) -> None:
        while not self._ended.wait(0.005):
            try:
                self.answers.append((time.time(), self._ask()))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append((time.time(), str(error)))

    def _ask(self) -> str:
        parts = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
        try:
            connection.request("GET", parts.path, headers={"Host": self.host} if self.host else {})
            return str(json.loads(connection.getresponse().read())["version"])
        finally:
            connection.close()

    def last(self, version: str) -> float:
        """When this version answered last, epoch seconds."""
        return max((at for at, who in self.answers if who == version), default=0.0)
