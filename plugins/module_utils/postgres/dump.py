# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of pg_dump and pg_restore, the same wherever they run; never a password among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ..errors import Refused, ReleaseError
from .server import DumpOptions, RestoreOptions, Sink

FIRST_WITH_CODECS = 16
CODECS = ("none", "gzip", "lz4", "zstd")
BEST = ("zstd:3", "lz4", "gzip:1")
MAGIC = b"PGDMP"

_SNAPSHOT = re.compile(r"[0-9A-Fa-f-]+")


def conninfo(database: str) -> str:
    """The name of a database as a connection string: a bare name with ``=`` in it would be taken for one."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


def candidates(wanted: str, major: int) -> tuple[str, ...]:
    """What ``wanted`` allows, best first; before version 16 there is gzip alone."""
    codec = wanted.partition(":")[0]
    if wanted == "auto":
        return BEST if major >= FIRST_WITH_CODECS else BEST[-1:]
    if codec not in CODECS or not re.fullmatch(r"\w+(:\d{1,2})?", wanted):
        raise Refused(
            f"{wanted} is no compression",
            remedy="set compression to auto, none, zstd:3, lz4 or gzip:6",
            code="compression",
        )
    if major < FIRST_WITH_CODECS and codec not in ("none", "gzip"):
        raise Refused(
            f"pg_dump {major} cannot compress with {codec}",
            remedy=f"set compression to auto or gzip; {codec} came with version {FIRST_WITH_CODECS}",
            code="compression",
        )
    return (wanted,)


def compressing(compression: str, major: int) -> list[str]:
    codec, _colon, level = compression.partition(":")
    if major >= FIRST_WITH_CODECS:
        return [f"--compress={compression}"]
    return [f"--compress={0 if codec == 'none' else int(level or 6)}"]


def dump_arguments(options: DumpOptions, snapshot: str, major: int) -> list[str]:
    if not _SNAPSHOT.fullmatch(snapshot):
        raise Refused(f"{snapshot!r} is no name of a snapshot", remedy="take it from the server's own session")
    return [
        "--no-password",
        *compressing(options.compression, major),
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={int(options.lock_timeout * 1000)}",
        *options.arguments,
        f"--dbname={conninfo(options.database)}",
    ]


def restore_arguments(database: str, options: RestoreOptions) -> list[str]:
    return ["--no-password", "--exit-on-error", *options.arguments, f"--dbname={conninfo(database)}"]


def settings_text(settings: Mapping[str, str]) -> str:
    """Settings for ``PGOPTIONS``."""
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def probe(path: str, compression: str, major: int) -> list[str]:
    """A call that fails for want of a server, or sooner when the program was not built for this compression."""
    return [
        path,
        "--no-password",
        "--format=custom",
        *compressing(compression, major),
        f"--dbname={conninfo('postgres')}",
    ]


def first_built(wanted: Sequence[str], says: Callable[[str], str], where: str) -> str:
    """The first compression that a probe does not complain about."""
    for compression in wanted:
        if "compression" not in says(compression):
            return compression
    raise Refused(
        f"this pg_dump was not built for compression with {' or '.join(wanted)}",
        where=where,
        remedy="set compression to auto, or install client programs that were built with it",
        code="compression",
    )


def refuse_jobs(jobs: int, where: str) -> None:
    if jobs > 1:
        raise Refused(
            "an archive that comes as a stream cannot be restored by several jobs",
            where=where,
            remedy="set jobs to 1, or restore from a file with server.mode tcp",
        )


class Checked:
    """A sink that only takes an archive in custom format, and knows whether it got one."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._head = b""

    def take(self, data: bytes) -> None:
        if len(self._head) < len(MAGIC):
            self._head = (self._head + data)[: len(MAGIC)]
        self._sink(data)

    def end(self, doing: str, where: str) -> None:
        if self._head != MAGIC:
            raise ReleaseError(
                f"{doing} brought something that is no archive: it begins with {self._head!r}",
                where=where,
                remedy="look for something that replaces pg_dump, then run again",
                code="damaged",
            )
