# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics of statements: the extension pg_stat_statements, where the server loads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import Refused
from ...release.journal import Book
from . import settings
from .request import Outcome, Request

if TYPE_CHECKING:
    from ..server import Server

EXTENSION = "pg_stat_statements"
_TRACK = f"{EXTENSION}.track"
_LIBRARIES = "shared_preload_libraries"
_HAVE = f"""
select current_setting('{_LIBRARIES}') as libraries, current_setting('{_TRACK}', true) as track,
  coalesce((select default_version from pg_available_extensions where name = '{EXTENSION}'), '') as available,
  coalesce((select extversion from pg_extension where extname = '{EXTENSION}'), '') as version"""


@dataclass(frozen=True)
class Have:
    """``version`` of the extension in the database and ``available`` on the server, empty if not."""

    libraries: str
    track: str | None
    available: str
    version: str

    @property
    def loaded(self) -> bool:
        return EXTENSION in [part.strip().strip('"') for part in self.libraries.split(",")]


def turn_on(server: Server, request: Request, book: Book) -> Outcome:
    have = Have(**server.rows(_HAVE, request.database)[0])
    create, track = decide(have)
    wanted = {_TRACK: "top"} if track else {}
    changes = settings.decide(settings.observe(server, list(wanted)), wanted) if wanted else []
    if create and not request.check:
        with book.step(f"create extension {EXTENSION}"):
            book.look()
            server.run(f"create extension if not exists {EXTENSION}", request.database)
    outcome = settings.apply(server, request, changes, book)
    if create:
        outcome.plan.insert(0, f"create the extension {EXTENSION} in {request.database}")
        outcome.changed = True
        outcome.after = f"extension {EXTENSION} {have.available}\n{outcome.after}"
    outcome.found["extension"] = have.version or have.available
    return outcome


def decide(have: Have) -> tuple[bool, bool]:
    """Whether to create the extension, and whether to turn tracking on; ``Refused`` where neither helps."""
    if not have.available and not have.version:
        raise Refused(
            f"the server does not have the extension {EXTENSION}",
            remedy="install the package of the server's major version that has it (postgresql-contrib), then run again",
        )
    if not have.loaded:
        libraries = ", ".join(filter(None, (have.libraries, EXTENSION)))
        raise Refused(
            f"the server does not load the library {EXTENSION}, so it counts nothing",
            remedy=f"do set with settings {{{_LIBRARIES}: '{libraries}'}}, restart the server, then run again",
        )
    return not have.version, have.track == "none"
