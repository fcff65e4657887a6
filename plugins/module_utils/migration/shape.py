# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a schema offers to the programs that use it, and what a migration took away from it.

The comparison is one SQL text, so that it also works inside of the transaction of a migration and can end that.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..postgres.sql import text

if TYPE_CHECKING:
    from ..postgres.server import Server

_LOST = re.compile(r"not an expand: \[\[(.*)\]\]", re.DOTALL)

_OURS = r"n.nspname !~ '^(pg_|information_schema$|_timescaledb)' and c.relname <> 'release_migrations'"
_RELATION = "pg_catalog.format('%I.%I', n.nspname, c.relname)"
_COLUMNS = f"""
    select {_RELATION} as relation, case c.relkind when 'v' then 'view' when 'm' then 'view' else 'table' end as kind,
        a.attname::text as col, pg_catalog.format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
        a.atthasdef or a.attidentity <> '' or a.attgenerated <> '' as filled
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and a.attnum > 0 and not a.attisdropped
        and {_OURS}"""
_RULES = f"""
    select {_RELATION} as relation, 'unique index' as kind, array(
        select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum = any (i.indkey) order by 1) as cols
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where i.indisunique and not c.relispartition and {_OURS}
    union
    select {_RELATION}, case o.contype when 'c' then 'check' when 'f' then 'foreign key' else 'exclusion' end, array(
        select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum = any (o.conkey) order by 1)
    from pg_catalog.pg_constraint o
    join pg_catalog.pg_class c on c.oid = o.conrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where o.contype in ('c', 'f', 'x') and not c.relispartition and {_OURS}"""
_WIDER = r"""
    (b.type ~ '^character varying' and a.type in ('text', 'character varying')) or (
        b.type ~ '^character varying\(' and a.type ~ '^character varying\('
        and substring(a.type from '\d+')::int > substring(b.type from '\d+')::int)"""


@dataclass(frozen=True)
class Shape:
    """Columns and rules, as rows of the two queries."""

    columns: list[dict[str, Any]]
    rules: list[dict[str, Any]]


def read(server: Server, database: str) -> Shape:
    return Shape(server.rows(_COLUMNS, database), server.rows(_RULES, database))


def contractions(server: Server, database: str, before: Shape) -> list[str]:
    """What the version before can no longer rely on, one sentence each."""
    return [row["sentence"] for row in server.rows(contractions_sql(before), database)]


def guard_sql(before: Shape) -> str:
    """A statement that fails, and with it its transaction, if the schema lost something since ``before``."""
    body = f"""
        declare lost text;
        begin
            select string_agg(sentence, '; ') into lost from ({contractions_sql(before)}) as found;
            if lost is not null then
                raise exception using message = 'not an expand: [[' || lost || ']]';
            end if;
        end"""
    return f"do {text(body)}"


def lost_of(said: str) -> str:
    """What the guard complained about, in the words of a server; empty if it did not."""
    found = _LOST.search(said)
    return found[1] if found else ""


def contractions_sql(before: Shape) -> str:
    return f"""
        with b as materialized (select * from json_to_recordset({text(json.dumps(before.columns))}::json)
                as x(relation text, kind text, col text, type text, required boolean, filled boolean)),
            a as materialized ({_COLUMNS}),
            old_rules as (select * from json_to_recordset({text(json.dumps(before.rules))}::json)
                as x(relation text, kind text, cols text[])),
            new_rules as ({_RULES})
        select distinct b.kind || ' ' || b.relation || ' is gone' as sentence
        from b where not exists (select from a where a.relation = b.relation)
        union all
        select 'column ' || b.col || ' of ' || b.relation || ' is gone' from b
        where exists (select from a where a.relation = b.relation)
            and not exists (select from a where a.relation = b.relation and a.col = b.col)
        union all
        select 'column ' || b.col || ' of ' || b.relation || ' was ' || b.type || ' and is ' || a.type
        from b join a using (relation, col) where a.type <> b.type and not ({_WIDER})
        union all
        select 'column ' || b.col || ' of ' || b.relation || ' must not be empty any more'
        from b join a using (relation, col) where a.required and not b.required
        union all
        select 'column ' || a.col || ' of ' || a.relation || ' is new, must not be empty and has no default' from a
        where a.required and not a.filled and a.kind = 'table'
            and exists (select from b where b.relation = a.relation)
            and not exists (select from b where b.relation = a.relation and b.col = a.col)
        union all
        select r.relation || ' has a new ' || r.kind || ' on ' || array_to_string(r.cols, ', ') from new_rules r
        where exists (select from b where b.relation = r.relation and b.col = any (r.cols))
            and not exists (select from old_rules o
                where o.relation = r.relation and o.kind = r.kind and o.cols = r.cols)
        order by 1"""
