# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of tables and indexes is empty: measured where the server can, else estimated from its statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .request import Request, size

if TYPE_CHECKING:
    from ..session import Session

_COMMON = """
with blocks as (select current_setting('block_size')::numeric as bytes),
columns as (
  select a.attrelid, a.attnum, s.avg_width * (1 - s.null_frac) as width, s.null_frac
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname
      and s.inherited = false
  where a.attnum > 0 and not a.attisdropped and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema')"""
_TABLES = f"""{_COMMON},
rows as (
  select attrelid, sum(width) as width, max(null_frac) > 0 as nulls, count(*) as count from columns group by attrelid)
select format('%I.%I', n.nspname, c.relname) as name, pg_relation_size(c.oid) as bytes, c.oid::bigint as oid,
  ceil(c.reltuples * (
    4 + ceil((23 + case when r.nulls then ceil(r.count / 8.0) else 0 end) / 8) * 8 + ceil(r.width / 8) * 8
  ) / (b.bytes - 24)) * b.bytes as needed
from pg_class c join pg_namespace n on n.oid = c.relnamespace join rows r on r.attrelid = c.oid cross join blocks b
where c.relkind in ('r', 'm') and c.reltuples > 0
order by pg_relation_size(c.oid) - ceil(c.reltuples * (32 + r.width) / (b.bytes - 24)) * b.bytes desc
limit {{most}}"""
_INDEXES = f"""{_COMMON},
keys as (
  select i.indexrelid, sum(k.width) as width, max(k.null_frac) > 0 as nulls, count(*) = max(i.indnatts) as whole
  from pg_index i join columns k on k.attrelid = i.indrelid and k.attnum = any (i.indkey)
  where i.indpred is null group by i.indexrelid)
select format('%I.%I', n.nspname, x.relname) as name, format('%I.%I', tn.nspname, t.relname) as "table",
  pg_relation_size(x.oid) as bytes,
  (1 + ceil(x.reltuples * (4 + ceil((8 + case when k.nulls then 8 else 0 end + k.width) / 8) * 8)
    / (0.9 * (b.bytes - 40)))) * b.bytes as needed
from keys k join pg_class x on x.oid = k.indexrelid join pg_namespace n on n.oid = x.relnamespace
  join pg_am am on am.oid = x.relam and am.amname = 'btree'
  join pg_index i on i.indexrelid = x.oid join pg_class t on t.oid = i.indrelid
  join pg_namespace tn on tn.oid = t.relnamespace cross join blocks b
where k.whole and x.reltuples > 0
order by pg_relation_size(x.oid)
  - ceil(x.reltuples * (12 + k.width) / (0.9 * (b.bytes - 40))) * b.bytes desc
limit {{most}}"""
_MEASURING = """
select format('%I', n.nspname) as schema
from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  join pg_proc p on p.pronamespace = n.oid and p.proname = 'pgstattuple_approx'
where e.extname = 'pgstattuple' and has_function_privilege(p.oid, 'execute')"""
_MEASURED = "select approx_free_space + dead_tuple_len as wasted from {schema}.pgstattuple_approx({oid}::oid::regclass)"


def report(session: Session, request: Request) -> dict[str, Any]:
    measuring = session.rows(_MEASURING)

    def measured(oid: int) -> float:
        return float(session.rows(_MEASURED.format(schema=measuring[0]["schema"], oid=oid))[0]["wasted"])

    tables = wasting(session.rows(_TABLES.format(most=request.most)), measured if measuring else None)
    indexes = wasting(session.rows(_INDEXES.format(most=request.most)))
    for row in indexes:
        row.pop("measured")
    told = [
        f"{size(sum(row['wasted_bytes'] for row in tables))} of {len(tables)} tables are empty, "
        + ("measured" if measuring else "estimated"),
        f"{size(sum(row['wasted_bytes'] for row in indexes))} of {len(indexes)} indexes are empty, estimated",
    ]
    return {"summary": told, "tables": tables, "indexes": indexes}


def wasting(rows: list[dict[str, Any]], measured: Callable[[int], float] | None = None) -> list[dict[str, Any]]:
    """Rows with ``wasted_bytes`` and its ``share``, the most wasteful first; less than nothing is none."""
    for row in rows:
        oid, needed = row.pop("oid", 0), float(row.pop("needed"))
        wasted = int(max(0.0, measured(oid) if measured else row["bytes"] - needed))
        share = round(wasted / row["bytes"], 3) if row["bytes"] else 0.0
        row |= {"wasted_bytes": wasted, "share": share, "measured": measured is not None}
    return sorted(rows, key=lambda row: (-row["wasted_bytes"], row["name"]))
