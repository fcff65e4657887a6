# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command on the machine that evaluates."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, ClassVar

from ...errors import ReleaseError
from ...web import without_secrets
from .. import select as selecting
from .base import Ask, Readings, World
from .measure import Measured, split

_LARGEST = 1024 * 1024
_EXCERPT = 400


@dataclass(frozen=True, kw_only=True)
class Command(Measured):
    """Options: `command`, a list of words, run without a shell, also in check mode, so it may only look; `folder` it is
    run in. It shows in verdicts, so no secret belongs into it.

    Selects: `exit_code`; `output`, all of it as text; `seconds` it took; or a dotted key or JMESPath in JSON that it
    prints, or a regular expression between slashes, each followed by `in UNIT` where a number has one. A command that
    ends with another code than 0 is an error, unless `exit_code` or `seconds` is selected.
    """

    command: tuple[str, ...]
    folder: str = ""

    selects: ClassVar[Mapping[str, str | None]] = {"exit_code": "", "output": None, "seconds": "s"}

    def check_options(self) -> list[str]:
        return [] if self.command else [".command: is empty"]

    @property
    def text(self) -> str:
        return without_secrets(" ".join(self.command))

    def read(self, ask: Ask, world: World) -> Readings:
        ended = _run(self.command, self.folder, ask.left)
        values = self._values(ended, ask.select)
        return Readings(
            values, len(values), {"exit_code": ended.code, "output": without_secrets(ended.output[:_EXCERPT])}
        )

    def _values(self, ended: _Ended, select: str) -> list[Any]:
        if select == "exit_code":
            return [ended.code]
        if select == "seconds":
            return [ended.seconds]
        if ended.code:
            said = (ended.complaint or ended.output).strip()[-_EXCERPT:]
            raise ReleaseError(f"it ended with {ended.code}: {said or 'it said nothing'}")
        if select == "output":
            return [ended.output.strip()]
        return selecting.pick(split(select)[0], ended.output)


@dataclass(frozen=True)
class _Ended:
    code: int
    seconds: float
    output: str
    complaint: str


def _run(argv: tuple[str, ...], folder: str, seconds: float) -> _Ended:
    began = time.monotonic()
    process = subprocess.Popen(
        argv,
        cwd=folder or None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    late = threading.Timer(seconds, _end, (process,))
    late.start()
    try:
        output, complaint = _Reader(process, process.stdout), _Reader(process, process.stderr)
        for reader in (output, complaint):
            reader.join()
        code = process.wait()
    finally:
        late.cancel()
    took = time.monotonic() - began
    if output.too_much or complaint.too_much:
        raise ReleaseError(f"it printed more than {_LARGEST // 1024} KiB")
    if took >= seconds:
        raise ReleaseError(f"it did not end within {seconds:.3g} s")
    return _Ended(code, took, output.text, complaint.text)


def _end(process: subprocess.Popen[bytes]) -> None:
    """With everything it started, which may go on when the process itself does not."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class _Reader(threading.Thread):
    """What a process prints, up to a limit."""

    def __init__(self, process: subprocess.Popen[bytes], stream: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        self.text, self.too_much = "", False
        self._process, self._stream = process, stream
        self.start()

    def run(self) -> None:
        if self._stream is None:
            return
        with self._stream:
            printed = bytearray()
            while chunk := os.read(self._stream.fileno(), 65536):
                printed += chunk
                if len(printed) > _LARGEST:
                    self.too_much = True
                    _end(self._process)
                    break
            self.text = printed.decode("utf-8", "replace")
