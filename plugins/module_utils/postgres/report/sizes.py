# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large databases and tables are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .request import Request, size

if TYPE_CHECKING:
    from ..session import Session

_DATABASES = """
select datname::text as name, pg_database_size(oid) as bytes from pg_database
where has_database_privilege(oid, 'connect') or pg_has_role('pg_read_all_stats', 'usage') order by bytes desc"""
_TABLES = """
select format('%I.%I', n.nspname, c.relname) as name, pg_total_relation_size(c.oid) as bytes,
  pg_table_size(c.oid) as table_bytes, pg_indexes_size(c.oid) as index_bytes,
  greatest(c.reltuples, 0)::bigint as rows, coalesce(s.n_dead_tup, 0) as dead_rows
from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_stat_all_tables s on s.relid = c.oid
where c.relkind in ('r', 'm') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
order by bytes desc, name limit {most}"""


def report(session: Session, request: Request) -> dict[str, Any]:
    databases = session.rows(_DATABASES)
    tables = session.rows(_TABLES.format(most=request.most))
    own = next((one["bytes"] for one in databases if one["name"] == request.database), 0)
    largest = [f"the largest table is {tables[0]['name']} with {size(tables[0]['bytes'])}"] if tables else []
    return {
        "summary": [f"{request.database} has {size(own)}", *largest],
        "databases": databases[: request.most],
        "tables": tables,
    }
