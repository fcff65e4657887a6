# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds, exactly: rows and a digest of every table, sequences, large objects.

All of it is read in one transaction, so it is what one moment held. A digest does not depend on the order of rows.
Two rows that are equal to PostgreSQL but not the same (1.0 and 1.00 as numeric, A and a as citext) differ here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import sql, timescale

Rows = Callable[[str], list[dict[str, Any]]]
"""One SELECT in, its rows out; all calls in one transaction (``Snapshot.rows``)."""

_AT_ONCE = 64
_PINNED = {
    "bytea_output": "hex",
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "1",
    "IntervalStyle": "postgres",
    "lc_monetary": "C",
    "row_security": "off",
    "search_path": "pg_catalog",
    "statement_timeout": "0",
    "TimeZone": "UTC",
    "xmloption": "content",
}
_AS_THEY_ARE = (
    *("bool", "int2", "int4", "int8", "oid", "char", "name", "uuid", "bytea"),
    *("date", "time", "timestamp", "timestamptz", "inet", "cidr", "macaddr"),
)
_TEXTS = ("text", "varchar")

_OWN = """c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
  and not exists (select from pg_depend d
                  where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"""
_TABLES = f"""
select c.oid::bigint as oid, n.nspname as schema, c.relname as name,
  coalesce((select json_agg(json_build_array(a.attname, t.typname, t.typnamespace = 'pg_catalog'::regnamespace)
              order by a.attnum)
            from pg_attribute a join pg_type t on t.oid = a.atttypid
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and {_OWN}
order by n.nspname, c.relname"""
_SEQUENCES = f"""
select n.nspname as schema, c.relname as name, s.seqincrement as increment
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_sequence s on s.seqrelid = c.oid
where {_OWN}
order by n.nspname, c.relname"""
_LARGE_OBJECTS = """
select count(*)::bigint as count, coalesce(sum(p.hash), 0)::text as digest
from pg_largeobject_metadata m
cross join lateral (select array_agg(a::text order by a::text) as acl
                    from unnest(coalesce(m.lomacl, acldefault('L', m.lomowner))) a) permissions
cross join lateral (select lo_open(m.oid, 262144) as fd offset 0) opened
cross join lateral (select lo_lseek64(opened.fd, 0, 2) as bytes offset 0) ended
cross join lateral (select lo_close(opened.fd) + 0 * ended.bytes as closed offset 0) closed
cross join lateral (
  select sum(hash_record_extended(row(m.oid, pg_get_userbyid(m.lomowner), permissions.acl::text, at,
                                      lo_get(m.oid, at, 1048576)), 0)) as hash
  from generate_series(closed.closed, ended.bytes, 1048576) at) p"""


@dataclass(frozen=True)
class Table:
    """``name`` is qualified and quoted as SQL has it; ``digest`` is the sum of the rows' hashes."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Sequence:
    """``last`` is the value it gave last, if ``called``, else the one it gives next."""

    name: str
    last: int
    called: bool
    increment: int

    @property
    def next(self) -> int:
        return self.last + self.increment * self.called

    def lags(self, other: Sequence) -> bool:
        """Whether this one would give a value again that ``other`` has given already."""
        return self.next < other.next if other.increment > 0 else self.next > other.next


@dataclass(frozen=True)
class LargeObjects:
    """Number of large objects; the digest covers their content, owner and permissions."""

    count: int
    digest: str


@dataclass(frozen=True)
class Contents:
    """Everything a dump of the data has to bring back."""

    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...]
    large_objects: LargeObjects

    def to_dict(self) -> dict[str, Any]:
        """The fields ``tables``, ``sequences`` and ``large_objects`` of a manifest."""
        return {
            "tables": tuple(asdict(table) for table in self.tables),
            "sequences": tuple(asdict(sequence) for sequence in self.sequences),
            "large_objects": asdict(self.large_objects),
        }

    @classmethod
    def of(cls, tables: Any, sequences: Any, large_objects: Mapping[str, Any]) -> Contents:
        """What ``to_dict`` made."""
        return cls(
            tuple(Table(**table) for table in tables),
            tuple(Sequence(**sequence) for sequence in sequences),
            LargeObjects(**large_objects),
        )


def of(rows: Rows, before: tuple[Sequence, ...] | None = None) -> Contents:
    """Read everything; ``ReleaseError`` in the server's words about what may not be read.

    Sequences do not belong to a snapshot, and a dump reads them late. So read them (``sequences``) before the dump
    starts, and hand them in as ``before``: what is restored may be ahead of that, and never behind.
    """
    if before is None:
        before = sequences(rows)
    _pin(rows)
    return Contents(tuple(_tables(rows)), before, LargeObjects(**rows(_LARGE_OBJECTS)[0]))


def sequences(rows: Rows) -> tuple[Sequence, ...]:
    """Every sequence as it is now."""
    found: list[Sequence] = []
    for batch in _batches(rows(_SEQUENCES)):
        selects = (
            f"select {place} as place, last_value as last, is_called as called from {_qualified(row)}"
            for place, row in enumerate(batch)
        )
        values = {value["place"]: value for value in rows(" union all ".join(selects))}
        for place, row in enumerate(batch):
            found.append(
                Sequence(_qualified(row), values[place]["last"], values[place]["called"], int(row["increment"]))
            )
    return tuple(found)


def keep(rows: Rows, patience: float) -> None:
    """Let nobody truncate, rewrite or drop a table until the transaction ends: a snapshot does not guard against that.

    ``patience``: seconds to wait for a table that somebody has locked.
    """
    rows(f"select set_config('lock_timeout', '{int(patience * 1000)}', true) as patience")
    for batch in _batches(rows(_TABLES)):
        rows(" union all ".join(f"select 1 as kept from only {_qualified(row)} where false" for row in batch))


def _pin(rows: Rows) -> None:
    """Values become text in one way only, whatever is set for the server, the database or the user."""
    calls = (f"set_config({sql.text(name)}, {sql.text(value)}, true)" for name, value in _PINNED.items())
    rows("select " + ", ".join(f"{call} as c{number}" for number, call in enumerate(calls)))


def _tables(rows: Rows) -> Iterator[Table]:
    layout = timescale.layout(rows)
    shown = [row for row in rows(_TABLES) if (row["schema"], row["name"]) not in layout.inner]
    for batch in _batches(shown):
        selects = (
            _select(place, row, whole=(row["schema"], row["name"]) in layout.hypertables)
            for place, row in enumerate(batch)
        )
        found = {value["place"]: value for value in rows(" union all ".join(selects))}
        for place, row in enumerate(batch):
            yield Table(_qualified(row), found[place]["rows"], found[place]["digest"])


def _select(place: int, table: Mapping[str, Any], *, whole: bool) -> str:
    """``whole``: the rows of a hypertable are in its chunks."""
    values = ", ".join(_value(*column) for column in table["columns"])
    digest = f"coalesce(sum(hash_record_extended(row({values}), 0)), 0)::text" if values else "'0'"
    source = _qualified(table) if whole else f"only {_qualified(table)}"
    return f"select {place} as place, count(*) as rows, {digest} as digest from {source}"


def _value(column: str, type: str, builtin: bool) -> str:
    """The column as something whose hash is the same only for the very same value, here and in a restored copy."""
    if builtin and type in _AS_THEY_ARE:
        return sql.name(column)
    if builtin and type in _TEXTS:
        return f'{sql.name(column)} collate pg_catalog."C"'
    return f"{sql.name(column)}::text"


def _qualified(row: Mapping[str, Any]) -> str:
    return f"{sql.name(row['schema'])}.{sql.name(row['name'])}"


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]
