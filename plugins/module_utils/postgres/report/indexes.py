# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes that cost and do not help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .request import Request, size

if TYPE_CHECKING:
    from ..session import Session

_NAMED = """
format('%I.%I', n.nspname, x.relname) as name, format('%I.%I', tn.nspname, t.relname) as "table",
  pg_relation_size(x.oid) as bytes"""
_FROM = """
from pg_index i join pg_class x on x.oid = i.indexrelid join pg_namespace n on n.oid = x.relnamespace
  join pg_class t on t.oid = i.indrelid join pg_namespace tn on tn.oid = t.relnamespace
where x.relkind = 'i' and tn.nspname not like 'pg\\_%' and tn.nspname <> 'information_schema'"""
_UNUSED = f"""
select {_NAMED} {_FROM} and i.indisvalid and not i.indisunique and not i.indisexclusion and not i.indisreplident
  and not exists (select from pg_constraint c where c.conindid = x.oid)
  and (select s.idx_scan from pg_stat_all_indexes s where s.indexrelid = x.oid) = 0
order by bytes desc, name limit {{most}}"""
_DUPLICATE = f"""
select * from (
  select {_NAMED}, first_value(format('%I.%I', n.nspname, x.relname)) over same as like,
    row_number() over same as place {_FROM} and i.indisvalid
  window same as (
    partition by i.indrelid, x.relam, i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text,
      i.indnkeyatts, coalesce(pg_get_expr(i.indexprs, i.indrelid), ''), coalesce(pg_get_expr(i.indpred, i.indrelid), '')
    order by i.indisprimary desc, i.indisunique desc, i.indexrelid)
) d where place > 1 order by bytes desc, name limit {{most}}"""
_INVALID = f"select {_NAMED} {_FROM} and not i.indisvalid order by bytes desc, name limit {{most}}"
_SINCE = """
select coalesce(to_char(stats_reset at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') as since
from pg_stat_database where datname = current_database()"""


def report(session: Session, request: Request) -> dict[str, Any]:
    unused, duplicate, invalid = (
        session.rows(query.format(most=request.most)) for query in (_UNUSED, _DUPLICATE, _INVALID)
    )
    for row in duplicate:
        row.pop("place")
    told = [
        f"{len(rows)} indexes are {what} ({size(sum(row['bytes'] for row in rows))})"
        for rows, what in ((unused, "unused"), (duplicate, "duplicates"), (invalid, "invalid"))
    ]
    since = session.rows(_SINCE)[0]["since"]
    return {"summary": told, "since": since, "unused": unused, "duplicate": duplicate, "invalid": invalid}
