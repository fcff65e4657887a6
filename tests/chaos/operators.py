# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators: the command one types, and how it may come to an end that nobody planned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
INVENTORY = ROOT / "inventories" / "local"
SYSTEM = "podinfo"
LONGEST_RUN = 600
STARTED: list[Operator] = []
QUICK = {
    "release_shift": {"steps": [25, 100], "hold": 2},
    "release_witness": {"rate": 100, "duration": 300, "samples": 20},
}
OPERATORS = {"PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
ELSEWHERE = ("taskset", "--cpu-list", "0")  # a crowd has machines of its own: here it leaves the cluster a core
DETACHED = "k6"  # a witness is no part of the run that started it


@dataclass(frozen=True)
class Operator:
    """A playbook that somebody started, ``began`` on the clock of ``time.monotonic``."""

    process: subprocess.Popen[bytes]
    began: float
    log: Path

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def last_words(self) -> str:
        return next((line for line in reversed(self.said.splitlines()) if line.strip()), "")

    def wait(self) -> int:
        """The exit code."""
        try:
            return self.process.wait(LONGEST_RUN)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{self.said[-6000:]}") from None

    def kill(self) -> None:
        """SIGKILL to the playbook, its workers, modules and helm. All are halted first, so none outlives the others."""
        halted: list[int] = []
        while found := [pid for pid in _family(self.process.pid) if pid not in halted]:
            for pid in found:
                _signal(pid, signal.SIGSTOP)
            halted += found
        for pid in halted:
            _signal(pid, signal.SIGKILL)
        self.process.wait()


def deploy(
    version: str, folder: Path, *, env: Mapping[str, str] | None = None, prefix: Sequence[str] = (), **variables: Any
) -> Operator:
    """Start a release of ``version``, with some of the environment changed, as the argument of another command."""
    extra = {**QUICK, "release_version": version, "release_record": str(folder / "record"), **variables}
    return play("playbooks/deploy.yml", folder, f"--extra-vars={json.dumps(extra)}", env=env or {}, prefix=prefix)


def rollback(folder: Path, **variables: Any) -> Operator:
    """Start to take back the newest release."""
    return play("playbooks/rollback.yml", folder, f"--extra-vars={json.dumps(variables)}")


def called(name: str) -> dict[str, str]:
    """The environment of an operator of that name, as the lock shows it."""
    return {"AWX_HOST": "chaos", "JOB_ID": name}


def play(
    path: str, folder: Path, *argv: str, env: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> Operator:
    """A playbook in a session of its own; what it says goes to a file in ``folder``."""
    folder.mkdir(exist_ok=True)
    log = folder / f"run-{len(list(folder.glob('run-*.log'))) + 1}.log"
    command = [
        *prefix,
        str(BIN / "ansible-playbook"),
        str(ROOT / path),
        f"--inventory={INVENTORY}",
        f"--limit={SYSTEM}",
    ]
    began = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, *argv],
            cwd=ROOT,
            env={**os.environ, **OPERATORS, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    STARTED.append(Operator(process, began, log))
    return STARTED[-1]


def end_all() -> None:
    """Nobody goes on beyond the test that started them."""
    while STARTED:
        if not STARTED[-1].ended:
            STARTED[-1].kill()
        STARTED.pop()


def _family(root: int) -> list[int]:
    """A process and all it started, by parentage: workers of Ansible have sessions and groups of their own."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _name_and_parent(entry)) and found[0] != DETACHED:
            children.setdefault(found[1], []).append(int(entry.name))
    family = [root]
    for pid in family:
        family += children.get(pid, [])
    return family


def _name_and_parent(entry: Path) -> tuple[str, int] | None:
    try:
        head, _bracket, rest = (entry / "stat").read_text(errors="replace").rpartition(")")
    except OSError:
        return None
    return head.partition("(")[2], int(rest.split()[1])


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
