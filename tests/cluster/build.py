# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the parts, in the order of the plan, while the cluster already starts from those that are ready."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from cluster.plan import Part, Places
from cluster.say import Problem, say
from cluster.shell import attempt, mortal, run, tail


class Build:
    """A queue of parts, built one after the other by one thread."""

    def __init__(self, places: Places, parts: Iterable[Part]) -> None:
        self.places = places
        self.missing = [part for part in parts if not places.programs(part).exists()]
        self._ready = {part: threading.Event() for part in self.missing}
        self._problem: Problem | None = None
        self._current: tuple[Part, float] | None = None
        self._pace = Pace()

    def start(self) -> None:
        if not self.missing:
            return
        say(f"Building {', '.join(part.name for part in self.missing)}: about {self._remaining()}.")
        threading.Thread(target=self._work, daemon=True).start()
        threading.Thread(target=self._report, daemon=True).start()

    def wait(self, *parts: Part) -> None:
        for part in parts:
            if part in self._ready:
                self._ready[part].wait()
                if self._problem:
                    raise self._problem

    def _work(self) -> None:
        try:
            for part in self.missing:
                self._current = part, time.monotonic()
                build(self.places, part)
                taken = time.monotonic() - self._current[1]
                self._pace.add(part.seconds, taken)
                self._ready[part].set()
                say(f"Built {part.name} in {taken:.0f} s.")
        except Problem as problem:
            self._problem = problem
        finally:
            self._current = None
            for event in self._ready.values():
                event.set()

    def _report(self) -> None:
        while not all(event.wait(20) for event in self._ready.values()):
            if self._current:
                say(f"Building {self._current[0].name}; about {self._remaining()} left.")

    def _remaining(self) -> str:
        open_parts = [part for part in self.missing if not self._ready[part].is_set()]
        seconds = sum(self._pace.expected(part.seconds) for part in open_parts)
        if self._current:
            running, since = self._current
            seconds -= min(time.monotonic() - since, self._pace.expected(running.seconds))
        return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"


class Pace:
    """How much slower or faster than planned this machine builds."""

    def __init__(self) -> None:
        self.planned, self.taken = 60.0, 60.0

    def add(self, planned: float, taken: float) -> None:
        self.planned += planned
        self.taken += taken

    def expected(self, planned: float) -> float:
        return planned * self.taken / self.planned


def build(places: Places, part: Part) -> None:
    """Builds in a folder beside the final one and renames the result: what has the final name is complete."""
    final = places.programs(part)
    final.parent.mkdir(parents=True, exist_ok=True)
    with (final.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if final.exists():
            return
        scratch = final.parent / ".building"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            _build_in(scratch, part).rename(final)
        finally:
            shutil.rmtree(scratch)


def _build_in(scratch: Path, part: Part) -> Path:
    programs = scratch / "programs"
    options = _overlay(part, scratch) if part.overlaid else ()
    for edition in part.editions or ("",):
        target = programs / edition
        target.mkdir(parents=True, exist_ok=True)
        _go_build(part, target, edition, options)
    for link in part.links:
        (programs / link).symlink_to(part.name)
    return programs


def _go_build(part: Part, target: Path, edition: str, options: Iterable[str]) -> None:
    ldflags = f"-s -w {part.ldflags.format(edition)}".strip()
    output = str(target / part.name) if part.package == "." else f"{target}/"
    done = attempt(
        mortal("go", "build", "-trimpath", *options, f"-ldflags={ldflags}", "-o", output, part.package),
        folder=part.source,
        environment={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly"},
    )
    if done.returncode:
        raise Problem(f"{part.name} does not build: {tail(done.stderr)}")


def _overlay(part: Part, scratch: Path) -> tuple[str]:
    """Options to build with a copy of one module in which our overlay.go takes the place of a file."""
    module, path = part.overlaid or ("", "")
    copy = writable_copy(module_folder(part, module), scratch / "module")
    shutil.copyfile(part.source / "overlay.go", copy / path)
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(part.source / name, scratch / name)
    run(["go", "mod", "edit", f"-replace={module}={copy}", str(scratch / "go.mod")])
    return (f"-modfile={scratch}/go.mod",)


def module_folder(part: Part, module: str) -> Path:
    """The unpacked source of a module the part depends on."""
    done = attempt(["go", "mod", "download", "-json", module], folder=part.source)
    if done.returncode:
        raise Problem(f"{module} cannot be downloaded: {tail(done.stderr or done.stdout)}")
    return Path(json.loads(done.stdout)["Dir"])


def writable_copy(source: Path, target: Path) -> Path:
    """A folder of the module cache, without its write protection."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target
