# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Migrations as SQL files: each in a transaction of its own, which also records it with its hash.

A file that says ``-- release: alone`` is one statement outside of any transaction. One that says
``-- release: batches`` is run again and again, each batch a transaction that records how far it came, so that whoever
runs it next goes on there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import Refused, ReleaseError
from ...postgres.sql import name, text
from .. import shape
from ..decide import DOWN
from ..files import ALONE, BATCHES, TRANSACTION, File, Record, check
from ..history import History
from ..revision import FILES_TABLE
from .base import Kind, Work

if TYPE_CHECKING:
    from ...postgres.server import Server

TABLE = name(FILES_TABLE)
NO_LOCK = "55P03"
"""SQLSTATE of a statement that did not get its lock in time."""
CREATE = f"""
    create table if not exists {TABLE} (
        name text primary key, sha256 text not null, mode text not null, state text not null,
        release text not null, after text, rows bigint not null default 0,
        began timestamptz not null default clock_timestamp(), ended timestamptz
    )"""


@dataclass(frozen=True)
class Settings:
    """``batch`` is how many rows a batch has, ``lock_timeout`` seconds a statement waits for a lock."""

    batch: int
    lock_timeout: int
    release: str


class Sql(Kind):
    """The files of one folder, for one database."""

    def __init__(self, server: Server, database: str, folder: str, files: Sequence[File], settings: Settings) -> None:
        self.what = f"folder {folder}"
        self._server, self._database, self._settings = server, database, settings
        self._files = {file.id: file for file in files}

    def history(self) -> History:
        check(list(self._files.values()), self._records(), f"{self.what}, database {self._database}")
        return History.line(self._files)

    def carry_out(self, work: Work) -> str:
        self._server.run(CREATE, self._database)
        if work.plan.action == DOWN:
            self._check_ways_back(work.plan.revisions)
        said = []
        for place, one in enumerate(work.plan.revisions):
            work.check()
            kept = f"{place} of {len(work.plan.revisions)} files were done before it and stay"
            said.append(self._take_back(self._files[one]) if work.plan.action == DOWN else self._up(one, work, kept))
        return "\n".join(said)

    def _records(self) -> list[Record]:
        there = self._server.rows(f"select to_regclass({text(TABLE)}) is not null as there", self._database)
        if not there[0]["there"]:
            return []
        sql = f'select name, sha256, mode, state, after, rows from {TABLE} order by name collate "C"'
        return [Record.of(row) for row in self._server.rows(sql, self._database)]

    def _up(self, one: str, work: Work, kept: str) -> str:
        file = self._files[one]
        runners = {ALONE: self._alone, BATCHES: self._in_batches}
        try:
            return runners.get(file.mode, self._in_transaction)(file, work)
        except ReleaseError as error:
            raise self._explained(file, error, kept) from error

    def _in_transaction(self, file: File, work: Work) -> str:
        guards = [shape.guard_sql(work.before)] if work.before else []
        recorded = self._insert(file, "done")
        self._transaction(file.sql, *guards, recorded)
        return f"{file.id}: done"

    def _alone(self, file: File, work: Work) -> str:
        """Recorded as begun first: what a killed run leaves of it has to be looked at by somebody.

        One that did not get its lock has done nothing, and is not recorded.
        """
        self._server.run(self._insert(file, "begun"), self._database)
        limits = {} if file.concurrent else {"lock_timeout": self._lock_timeout}
        try:
            self._server.run_alone(file.sql, self._database, limits)
        except ReleaseError as error:
            if _did_nothing(file, error):
                self._server.run(f"delete from {TABLE} where name = {text(file.id)}", self._database)
            raise
        self._server.run(
            f"update {TABLE} set state = 'done', ended = clock_timestamp() where name = {text(file.id)}",
            self._database,
        )
        return f"{file.id}: done, outside of a transaction"

    def _in_batches(self, file: File, work: Work) -> str:
        self._server.run(f"{self._insert(file, 'begun')} on conflict (name) do nothing", self._database)
        while True:
            work.check()
            record = next(one for one in self._records() if one.id == file.id)
            if record.state == "done":
                return f"{file.id}: {record.rows} rows done"
            self._transaction(self._batch(file, record))

    def _batch(self, file: File, record: Record) -> str:
        """The rows of a batch and how far it came, in one statement; without a row it is the last."""
        return f"""
            with done as (
{file.batch(record.after, self._settings.batch)}
)
            update {TABLE} set rows = rows + (select count(*) from done),
                after = coalesce((select done.key::text from done order by done.key desc limit 1), after),
                state = case when exists (select from done) then state else 'done' end,
                ended = case when exists (select from done) then ended else clock_timestamp() end
            where name = {text(file.id)}"""

    def _check_ways_back(self, revisions: Sequence[str]) -> None:
        for one in revisions:
            if self._files[one].down is None:
                raise Refused(
                    f"There is no {one}.down.sql, so {one} cannot be taken back. Nothing was changed",
                    where=self.what,
                    remedy="write it, or restore the backup from before",
                )

    def _take_back(self, file: File) -> str:
        forgotten = f'delete from {TABLE} where name collate "C" >= {text(file.id)}'
        self._transaction(str(file.down), forgotten)
        return f"{file.id}: taken back"

    def _insert(self, file: File, state: str) -> str:
        ended = "clock_timestamp()" if state == "done" else "null"
        values = ", ".join(text(value) for value in (file.id, file.sha256, file.mode, state, self._settings.release))
        return f"insert into {TABLE} (name, sha256, mode, state, release, ended) values ({values}, {ended})"

    def _transaction(self, *statements: str) -> None:
        limited = (f"set local lock_timeout = {self._lock_timeout}", *statements)
        self._server.run("\n;\n".join(limited), self._database, transaction=True)

    @property
    def _lock_timeout(self) -> str:
        """In milliseconds."""
        return str(self._settings.lock_timeout * 1000)

    def _explained(self, file: File, error: ReleaseError, kept: str) -> ReleaseError:
        where = f"{self.what}, file {file.id}.sql, database {self._database} at {self._server.where}"
        lost = shape.lost_of(error.what)
        if lost:
            return ReleaseError(
                f"{file.id} is declared expand, but {lost}. It was rolled back; {kept}",
                where=where,
                remedy="declare it contract and release it once no version needs that any more, or change the file",
                record=f"{file.id} is declared expand, and is not",
            )
        remains = {ALONE: "What it has done so far stays, and the schema is dirty now", BATCHES: "Its batches stay"}
        mode = TRANSACTION if _did_nothing(file, error) else file.mode
        return ReleaseError(
            f"{file.id} failed: {error.what.rstrip('.')}. {remains.get(mode, 'It was rolled back')}; {kept}",
            where=where,
            remedy=error.remedy or "correct the file, and run this again",
            record=f"{file.id} failed",
        )


def _did_nothing(file: File, error: ReleaseError) -> bool:
    return file.mode == ALONE and file.whole and error.details.get("sqlstate") == NO_LOCK
