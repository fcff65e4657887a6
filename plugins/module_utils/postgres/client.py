# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which client programs may be used: those of the server's own major version.

An archive of a newer pg_dump cannot go back into the older server (settings it does not know, a format the older
pg_restore cannot read), and an older pg_dump does not know the newer catalogs.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from ..errors import Refused
from .server import Program

NOWHERE = "/nonexistent"
_PATIENCE = 20
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\.\d+|[a-z]\w*)?")


def program_of(name: str, path: str, said: str) -> Program | None:
    """From what a program says when asked ``--version``: ``pg_dump (PostgreSQL) 15.20 (Debian …)``."""
    found = _VERSION.search(said)
    return Program(name, path, found[1] + (found[2] or ""), int(found[1])) if found else None


def choose(name: str, candidates: Iterable[Program], major: int, version: str, where: str, place: str) -> Program:
    """The first one of the right major version; ``place`` is where they were looked for."""
    found = list(candidates)
    for program in found:
        if program.major == major:
            return program
    others = ", ".join(f"{program.version} ({program.path})" for program in found)
    raise Refused(
        f"there is no {name} {major} {place} for the server's version {version}"
        + (f"; found {others}, whose archives this server could not take back" if others else ""),
        where=where,
        remedy=f"install postgresql-client-{major} there, set server.bindir, "
        "or set server.mode to exec: the server's pod has programs of its own version",
        code="version",
    )


def folders(major: int, bindir: str = "") -> list[str]:
    """Where programs of a major version are kept, the named folder alone if there is one."""
    if bindir:
        return [os.path.expanduser(bindir)]
    return [*usual(major), *filter(None, os.environ.get("PATH", os.defpath).split(os.pathsep))]


def usual(major: int) -> list[str]:
    """Where distributions put programs that are not on PATH."""
    return [
        f"/usr/lib/postgresql/{major}/bin",
        f"/usr/pgsql-{major}/bin",
        f"/opt/homebrew/opt/postgresql@{major}/bin",
    ]


def installed(name: str, places: Sequence[str]) -> list[Program]:
    """The programs of that name on this machine, each once."""
    found: dict[str, Program] = {}
    for folder in places:
        path = os.path.join(folder, name)
        if not os.access(path, os.X_OK):
            continue
        program = program_of(name, path, says([path, "--version"], os.environ))
        if program is not None:
            found.setdefault(os.path.realpath(path), program)
    return list(found.values())


def says(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """All that a program that ends by itself says."""
    done = subprocess.run(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    return done.stdout
