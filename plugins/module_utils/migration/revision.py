# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which revision the schema of a database has, and whether a migration was left half done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..postgres.sql import name, text

if TYPE_CHECKING:
    from ..postgres.server import Server

FILES_TABLE = "release_migrations"
TABLES = {
    "alembic_version": "alembic",
    "schema_migrations": "schema_migrations",
    "_sqlx_migrations": "sqlx",
    FILES_TABLE: "files",
}
SOURCES = ("auto", *TABLES.values(), "query")

Rows = Callable[[str], list[dict[str, Any]]]


@dataclass(frozen=True)
class Source:
    """Where the revision is recorded; ``schema`` is where its table is, by default on the search path."""

    kind: str = "auto"
    schema: str = ""
    query: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Source:
        given = given or {}
        return cls(given.get("kind") or "auto", given.get("schema") or "", given.get("query") or "")


@dataclass(frozen=True)
class Revision:
    """``current`` has several entries with branches, and none in a database nobody migrated; ``dirty`` says why."""

    current: tuple[str, ...] = ()
    dirty: str = ""
    source: str = ""

    @property
    def text(self) -> str:
        """For messages, manifests and the ledger."""
        return ", ".join(self.current) or "none"

    def report(self) -> dict[str, Any]:
        return {"revision": ", ".join(self.current), "dirty": self.dirty, "source": self.source}


@dataclass(frozen=True)
class Table:
    """A table that records revisions."""

    kind: str
    schema: str
    title: str
    columns: tuple[str, ...]

    @property
    def quoted(self) -> str:
        return f"{name(self.schema)}.{name(self.title)}"


def read(server: Server, database: str, source: Source) -> Revision:
    """The revision as the database records it; ``Refused`` if there are several records and none was chosen."""

    def rows(sql: str) -> list[dict[str, Any]]:
        return server.rows(sql, database)

    if source.kind == "query":
        return _queried(rows(source.query))
    table = chosen(tables_of(rows(tables_sql(source.schema))), source.kind, f"database {database} at {server.where}")
    return _READERS[table.kind](rows, table) if table else Revision()


def tables_sql(schema: str) -> str:
    where = f"n.nspname = {text(schema)}" if schema else "pg_catalog.pg_table_is_visible(c.oid)"
    titles = ", ".join(text(title) for title in TABLES)
    return f"""
        select c.relname::text as title, n.nspname::text as schema, json_agg(a.attname::text) as columns
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relkind in ('r', 'p', 'v') and c.relname in ({titles}) and {where}
        group by 1, 2 order by 1, 2"""


def tables_of(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    return [Table(TABLES[row["title"]], row["schema"], row["title"], tuple(row["columns"])) for row in rows]


def chosen(tables: Sequence[Table], kind: str, where: str) -> Table | None:
    """The table of that kind, or the only one there is."""
    found = [table for table in tables if kind in ("auto", table.kind)]
    if len(found) > 1:
        names = " and ".join(table.quoted for table in found)
        raise Refused(
            f"Revisions are recorded in {names}, so which one the schema has is not known",
            where=where,
            remedy="say which record counts with revision.kind, and with revision.schema",
        )
    return found[0] if found else None


def _alembic(rows: Rows, table: Table) -> Revision:
    found = rows(f"select version_num::text as revision from {table.quoted} order by 1")
    return Revision(tuple(row["revision"] for row in found), source=table.kind)


def _schema_migrations(rows: Rows, table: Table) -> Revision:
    """One row with a flag, or a row for every migration."""
    if "dirty" not in table.columns:
        return Revision(_newest(rows(f"select max(version)::text as revision from {table.quoted}")), "", table.kind)
    sql = f"select version::text as revision, dirty from {table.quoted} order by version desc limit 1"
    return _flagged(rows(sql), table.kind)


def _sqlx(rows: Rows, table: Table) -> Revision:
    sql = f"select version::text as revision, not success as dirty from {table.quoted} order by success, version desc"
    return _flagged(rows(f"{sql} limit 1"), table.kind)


def _files(rows: Rows, table: Table) -> Revision:
    found = rows(f'select name as revision, mode, state from {table.quoted} order by name collate "C"')
    done = tuple(row["revision"] for row in found if row["state"] == "done")
    half = [row["revision"] for row in found if row["state"] != "done" and row["mode"] != "batches"]
    why = f"{half[0]} was begun, cannot be rolled back, and did not end" if half else ""
    return Revision(done[-1:], why, table.kind)


def _queried(rows: Sequence[Mapping[str, Any]]) -> Revision:
    if any("revision" not in row for row in rows):
        raise Refused(
            f"The query for the revision returned {', '.join(rows[0])}, and no column called revision",
            remedy="select … as revision, and if there is a flag … as dirty",
        )
    current = tuple(str(row["revision"]) for row in rows if row["revision"] is not None)
    dirty = next((f"revision {row['revision']} is marked dirty" for row in rows if row.get("dirty")), "")
    return Revision(current, dirty, "query")


def _flagged(rows: Sequence[Mapping[str, Any]], kind: str) -> Revision:
    dirty = next((f"revision {row['revision']} is marked dirty" for row in rows if row["dirty"]), "")
    return Revision(_newest(rows), dirty, kind)


def _newest(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(row["revision"] for row in rows if row["revision"] is not None)


_READERS: dict[str, Callable[[Rows, Table], Revision]] = {
    "alembic": _alembic,
    "schema_migrations": _schema_migrations,
    "sqlx": _sqlx,
    "files": _files,
}
