# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Where the command of a migration runs: on this machine; in a pod or in a Job see the modules beside."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..children import die_with_us, end_all
from ..errors import NotReady, ReleaseError
from ..postgres.secret import password_file

TAIL = 4000
_PAUSE = 0.5


def nobody_asks() -> None:
    """For a command that changes nothing."""


class Runner(ABC):
    """Runs a command of the version that is released; its output is data, whatever it says."""

    what: str
    """Who runs it, for messages."""
    asks_freely: bool = True
    """Whether asking creates nothing, so that it may be done in check mode."""

    @abstractmethod
    def run(self, argv: Sequence[str], check: Callable[[], None] = nobody_asks, *, changes: bool = False) -> str:
        """Everything the command wrote; an error with its last words unless it ended well."""

    def underway(self) -> bool:
        """Whether the command was started by a run that was killed, and is waited for when it is run again."""
        return False


@dataclass(frozen=True)
class Here(Runner):
    """On the machine this runs on, in ``folder``; libpq finds ``password`` in a file without a name.

    A command is ended with everything it started, as ``make`` and ``sh -c`` do. When this process is killed only the
    command itself ends with it; what still migrates then has a session in the database, by which it is found.
    """

    folder: str
    environment: Mapping[str, str]
    timeout: float
    password: str = field(default="", repr=False)

    @property
    def what(self) -> str:  # type: ignore[override]
        return f"folder {self.folder}"

    def run(self, argv: Sequence[str], check: Callable[[], None] = nobody_asks, *, changes: bool = False) -> str:
        deadline = time.monotonic() + self.timeout
        with tempfile.TemporaryFile() as output, password_file(self.password) as (login, secret):
            process = self._start(argv, output.fileno(), login, secret)
            try:
                while process.poll() is None:
                    _wait(process)
                    check()
                    if time.monotonic() > deadline:
                        raise late(argv, self.what, self.timeout)
            except BaseException:
                end_all(process)
                raise
            output.seek(0)
            said = output.read().decode(errors="replace")
        if process.returncode:
            raise failed(argv, self.what, process.returncode, said)
        return said

    def _start(
        self, argv: Sequence[str], output: int, login: Mapping[str, str], secret: tuple[int, ...]
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                list(argv),
                cwd=Path(self.folder),
                env={**os.environ, **login, **self.environment},
                pass_fds=secret,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_us,  # noqa: PLW1509
            )
        except OSError as error:
            raise ReleaseError(
                f"{argv[0]} cannot be started: {error.strerror}",
                where=self.what,
                remedy="install it, or give its whole path in command",
            ) from error


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PAUSE)
    except subprocess.TimeoutExpired:
        return


def failed(argv: Sequence[str], where: str, code: int | None, said: str) -> ReleaseError:
    """A command that ended badly; its words may hold secrets, so a ledger keeps the exit code alone."""
    ended = f"ended with exit code {code}" if code is not None else "failed"
    last = " ".join(said.split())[-TAIL // 10 :]
    return ReleaseError(
        f"{argv[0]} {ended}" + (f": {last}" if last else ""),
        where=where,
        remedy="read the output; the revision and whether it is dirty say what was kept",
        record=f"{argv[0]} {ended}",
        log=said[-TAIL:],
        rc=code,
    )


def late(argv: Sequence[str], where: str, timeout: float) -> NotReady:
    return NotReady(
        f"{argv[0]} did not end within {timeout:g} s",
        where=where,
        remedy="look at what it waited for, or allow it more time with timeout; it was ended",
    )
