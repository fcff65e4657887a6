# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the checks in order, go on after a failure, and end with the counts.

Usage: build/venv/bin/python tests/run.py [STEP ...]     all steps when none is named; logs go to build/logs
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tree import HOME, ROOT, TREE, make_home, make_tree

LOGS = ROOT / "build" / "logs"
BIN = Path(sys.executable).parent
CLUSTER = (sys.executable, str(ROOT / "tests" / "cluster"))
ANSIBLE_TEST = ("--venv", "--python", f"{sys.version_info.major}.{sys.version_info.minor}")
MANIFESTS = tuple(  # several documents in one file
    f"--exclude={folder}" for folder in ("tests/local/", "tests/cluster/manifests/", "tests/stand_ins/")
)
OF_THE_INVENTORY = "tests/cluster_cases/test_check_mode.py"
"""The cases that use the namespaces of inventories/local, as the scenarios, the demo and chaos do."""
OF_THE_BAD_DAY = tuple(
    f"tests/cluster_cases/test_{name}.py" for name in ("alert_rolls_back", "incident", "maintenance")
)
"""Cases that go beside the others, so that both lanes take as long."""
ONLY_BY_NAME = {"thorough", "molecule:database", "molecule:service_entry", "molecule:stages", "molecule:stand_ins"}
"""Steps that take too long for every change; `make thorough` runs them."""
EVERY_CHANGE = "not thorough"
IDLE: set[int] = set()
"""Sessions that give way to everybody else."""
TELLING_LINE = re.compile(r"^(?:\[ERROR\]|FAILED |ERROR |fatal: ).*", re.MULTILINE)
CLOSING_LINE = re.compile(r"\d+ (?:passed|failed|error|skipped).* in [\d.]+s")

Outcome = tuple[Counter[str], str]


@dataclass(frozen=True)
class Step:
    """One check: a command, the folder it runs in, and what it needs.

    Those that are ``beside`` go one after the other, beside those that are not. They must share nothing with them, and
    wait for servers most of their time. One that is ``idle`` computes only: it takes what the others leave of the
    processors, and is awaited at the end. Nothing in it may depend on the time it takes.
    """

    name: str
    command: tuple[str, ...]
    cwd: Path = ROOT
    pytest: bool = False
    cluster: bool = False
    services: bool = False
    beside: bool = False
    idle: bool = False


def static_steps() -> list[Step]:
    utils = "ansible_collections.runbook.release.plugins.module_utils"
    beside_each_other = ("pytest", "--quiet", "--numprocesses=2", "--dist=worksteal")
    references = ("--plugin-docs", "--validate-collection-refs=dependent", "--disallow-unknown-collection-refs")
    return [
        Step("format", ("ruff", "format", "--check", ".")),
        Step("ruff", ("ruff", "check", ".")),
        Step("mypy", ("mypy", "--package", utils)),
        Step("yamllint", ("yamllint", "--strict", "."), TREE),
        Step("docs", ("antsibull-docs", "lint-collection-docs", *references, "."), TREE),
        Step("changelog", ("antsibull-changelog", "lint"), TREE),
        Step("build", ("ansible-galaxy", "collection", "build", "--force", "--output-path", str(LOGS.parent)), TREE),
        Step("units", ("ansible-test", "units", *ANSIBLE_TEST, "tests/unit/plugins/"), TREE, pytest=True),
        Step(
            "pytest",
            (*beside_each_other, "--durations=10", "-m", EVERY_CHANGE, "tests/unit", "--ignore=tests/unit/plugins"),
            pytest=True,
        ),
        Step("ansible-lint", ("ansible-lint", "--offline", "--strict", "--profile=production"), TREE, idle=True),
        Step("sanity", ("ansible-test", "sanity", *ANSIBLE_TEST, *MANIFESTS), TREE, idle=True),
        Step(
            "services",
            ("pytest", "--quiet", "--durations=15", "tests/services_cases"),
            pytest=True,
            services=True,
            beside=True,
        ),
    ]


def cluster_steps() -> list[Step]:
    """The cases have namespaces of their own; the others beside them share those of inventories/local."""
    scenarios = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    pytest, chaos = ("pytest", "--quiet", "--durations=15"), ("pytest", "--quiet", "tests/chaos", "--sample")
    others = (f"--ignore={path}" for path in (OF_THE_INVENTORY, *OF_THE_BAD_DAY))
    cases = (*pytest, "tests/cluster_cases", *others)
    return [
        Step("cases", (*cases, "-m", EVERY_CHANGE), pytest=True, cluster=True),
        Step("thorough", (*cases, "tests/unit", "-m", "thorough"), pytest=True, cluster=True),
        Step("cases:inventory", (*pytest, OF_THE_INVENTORY), pytest=True, cluster=True, beside=True),
        Step("cases:bad_day", (*pytest, *OF_THE_BAD_DAY), pytest=True, cluster=True, beside=True),
        Step("demo", ("make", "demo"), cluster=True, beside=True),
        *(Step(f"molecule:{name}", ("molecule", "test", "-s", name), cluster=True, beside=True) for name in scenarios),
        Step("chaos", chaos, pytest=True, cluster=True, beside=True),
    ]


def environment(step: Step, settings: dict[str, str]) -> dict[str, str]:
    """What a step sees: the tools of the venv; then the cluster, or a copied tree and a home of its own."""
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1", "PY_COLORS": "0"}
    if step.cluster:
        return {**env, **settings}
    if step.services:
        return {**env, "ANSIBLE_COLLECTIONS_PATH": str(TREE.parents[2])}
    build = str(LOGS.parent)  # git ignores it, so tools that ask git for files must not find the repository around it
    return {
        **env,
        "HOME": str(HOME),
        "ANSIBLE_COLLECTIONS_PATH": str(TREE.parents[2]),
        "GIT_CEILING_DIRECTORIES": build,
    }


def count_pytest(output: str) -> Counter[str]:
    """Sum the closing lines of every pytest run in the output."""
    count: Counter[str] = Counter()
    for line in filter(CLOSING_LINE.search, output.splitlines()):
        for number, word in re.findall(r"(\d+) (passed|failed|error)", line):
            count["passed" if word == "passed" else "failed"] += int(number)
    return count


def give_way(session: int) -> None:
    """Let everybody else have the processors first; a session is a group of its own where the kernel groups them."""
    os.setpriority(os.PRIO_PGRP, session, 19)
    group = Path(f"/proc/{session}/autogroup")
    if group.exists():
        group.write_text("19")


def end_idle() -> None:
    """An interruption from the keyboard does not reach other sessions."""
    for session in IDLE:
        os.killpg(session, signal.SIGTERM)


def log_of(name: str) -> Path:
    return LOGS / f"{name.replace(':', '-')}.log"


def run(step: Step, env: dict[str, str]) -> Counter[str]:
    """Run one step and say how it went; its output is shown only when it failed."""
    count, said = carry_out(step, env)
    print(f"{step.name:<20} {said}", flush=True)
    return count


def carry_out(step: Step, env: dict[str, str]) -> Outcome:
    """What became of a step, and what there is to say of it."""
    log, began = log_of(step.name), time.monotonic()
    with log.open("w") as stream:
        process = subprocess.Popen(
            step.command,
            cwd=step.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=step.idle,
        )
        if step.idle:
            give_way(process.pid)
            IDLE.add(process.pid)
        code = process.wait()
        IDLE.discard(process.pid)
    output = log.read_text(errors="replace")
    count = count_pytest(output) if step.pytest else Counter(passed=int(code == 0))
    if not code and not count["passed"]:
        output += f"\n{step.name} ran no test"
    if (code or not count["passed"]) and not count["failed"]:
        count["failed"] = 1
    detail = f"  {count['passed']} passed" if step.pytest else ""
    said = f"{'failed' if count['failed'] else 'ok':<7}{time.monotonic() - began:6.1f} s{detail}"
    return count, f"{said}\n$ {' '.join(step.command)}\n{output[-8000:]}" if count["failed"] else said


def repeat_failures(failed: list[str]) -> None:
    """Name the failed steps again with the lines that tell why, where somebody who sees only the end looks."""
    for name in failed:
        print(f"failed: {name}")
        for line in TELLING_LINE.findall(log_of(name).read_text(errors="replace"))[:5]:
            print(f"    {line[:300]}", flush=True)


class Cluster:
    """The cluster, starting beside the static checks."""

    def __init__(self) -> None:
        self.log = LOGS / "cluster.log"
        with self.log.open("w") as stream:
            self.starting = subprocess.Popen([*CLUSTER, "up"], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)

    @cached_property
    def settings(self) -> dict[str, str]:
        """Wait until it is up, and return what its clients need in their environment; nothing if it did not start."""
        if self.starting.wait():
            print(f"the cluster did not start\n{self.log.read_text(errors='replace')[-8000:]}", flush=True)
            return {}
        listed = subprocess.run([*CLUSTER, "env"], check=True, capture_output=True, text=True).stdout
        return dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)


def chosen(names: list[str]) -> list[Step]:
    steps = [*static_steps(), *cluster_steps()]
    if not names:
        return [step for step in steps if step.name not in ONLY_BY_NAME]
    groups = {step.name.split(":")[0] for step in steps}
    if unknown := sorted(set(names) - groups - {step.name for step in steps}):
        sys.exit(f"unknown step {', '.join(unknown)}. Do: name some of {', '.join(sorted(groups))}")
    return [step for step in steps if {step.name, step.name.split(":")[0]} & set(names)]


def main(names: list[str]) -> int:
    steps = chosen(names)
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another run is using build/tree. Do: wait for it to end, then run this again")
        try:
            total = run_all(steps)
        except KeyboardInterrupt:
            sys.exit("interrupted")
    print(f"{total['passed']} passed, {total['failed']} failed", flush=True)
    return int(bool(total["failed"]))


def run_all(steps: list[Step]) -> Counter[str]:
    """Those that need no cluster come first, for it is starting meanwhile."""
    cluster = Cluster() if any(step.cluster for step in steps) else None
    make_tree()
    make_home()

    def run_there(step: Step) -> Counter[str]:
        settings = cluster.settings if cluster and step.cluster else {}
        return Counter(failed=1) if step.cluster and not settings else run(step, environment(step, settings))

    with ThreadPoolExecutor(max_workers=1) as others, ThreadPoolExecutor(max_workers=1) as last:
        try:
            lanes = [last if step.idle else others if step.beside else None for step in steps]
            later = {step.name: lane.submit(run_there, step) for step, lane in zip(steps, lanes, strict=True) if lane}
            counts = {step.name: run_there(step) for step in steps if step.name not in later}
            counts |= {name: outcome.result() for name, outcome in later.items()}
        except KeyboardInterrupt:
            for lane in (others, last):
                lane.shutdown(wait=False, cancel_futures=True)
            end_idle()
            raise
    repeat_failures([name for name, count in counts.items() if count["failed"] and log_of(name).exists()])
    return sum(counts.values(), Counter(passed=0, failed=0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
