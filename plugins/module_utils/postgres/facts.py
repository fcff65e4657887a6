# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database is besides its contents, and why a backup of it would be refused or incomplete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import ReleaseError
from . import dbprops, sql, timescale
from .dbprops import Properties, Setting

if TYPE_CHECKING:
    from .server import Server

_MOST_NAMED = 20
_OLDEST = 14

_DATABASE = """
select d.oid::bigint as oid, pg_database_size(d.oid) as bytes from pg_database d where d.datname = {database}"""
_EXTENSIONS = "select extname as name, extversion as version from pg_extension order by extname"
_ROLES = """
select distinct pg_get_userbyid(d.refobjid) as name from pg_shdepend d
where d.refclassid = 'pg_authid'::regclass and d.dbid = (select oid from pg_database where datname = current_database())
order by 1"""
_USER = "select current_user as name"

_RELATIONS = """
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
  and not exists (select from pg_depend d
                  where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
"""
_UNREADABLE = f"""
select format('%I.%I', n.nspname, c.relname) as name,
  case c.relkind when 'S' then 'sequence' else 'table' end as kind {_RELATIONS}
  and (c.relkind in ('r', 'p', 'm') and not has_table_privilege(c.oid, 'select')
    or c.relkind = 'S' and not has_sequence_privilege(c.oid, 'select'))
order by 1"""
_SCHEMAS = f"""
select distinct quote_ident(n.nspname) as name {_RELATIONS}
  and c.relkind in ('r', 'p', 'm', 'S') and not has_schema_privilege(n.oid, 'usage')
order by 1"""
_ROW_SECURITY = f"""
select format('%I.%I', n.nspname, c.relname) as name {_RELATIONS}
  and c.relkind in ('r', 'p') and row_security_active(c.oid)
order by 1"""
_LARGE_OBJECTS = """
select m.oid::bigint as oid from pg_largeobject_metadata m
where not (select rolsuper from pg_roles where rolname = current_user)
  and not pg_has_role(m.lomowner, 'usage')
  and not exists (select from aclexplode(m.lomacl) a where a.privilege_type = 'SELECT'
                  and (a.grantee = 0 or pg_has_role(a.grantee, 'usage')))
order by 1"""


@dataclass(frozen=True)
class Facts:
    """One database as the catalogs describe it.

    ``extensions``: name to version. ``timescaledb``: its version, or empty. ``roles``: all that its objects name.
    ``bytes``: size on disk. ``refusals``: why this user cannot back up all of it, each with the GRANT that helps.
    """

    database: str
    oid: int
    bytes: int
    extensions: Mapping[str, str]
    timescaledb: str
    roles: tuple[str, ...]
    properties: Properties
    settings: tuple[Setting, ...]
    schema_revision: str
    refusals: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields of a manifest of the same names."""
        return {
            "extensions": dict(self.extensions),
            "timescaledb": self.timescaledb,
            "schema_revision": self.schema_revision,
            "roles": self.roles,
            "properties": self.properties.to_dict(),
            "settings": tuple(setting.to_dict() for setting in self.settings),
        }


def observe(server: Server, database: str) -> Facts:
    """``Refused`` if there is no such database; what else stands in the way of a backup is in ``refusals``."""
    return replace(described(server, database), refusals=tuple(refusals(server, database)))


def described(server: Server, database: str) -> Facts:
    """The same without a look for what stands in the way."""
    own = dbprops.properties(server, database)
    row = server.rows(_DATABASE.format(database=sql.text(database)))[0]
    extensions = {one["name"]: one["version"] for one in server.rows(_EXTENSIONS, database)}
    settings = dbprops.settings(server, database)
    return Facts(
        database,
        int(row["oid"]),
        int(row["bytes"]),
        extensions,
        extensions.get(timescale.EXTENSION, ""),
        _roles(server, database, own, settings),
        own,
        settings,
        _revision(server, database),
    )


def refusals(server: Server, database: str) -> Iterator[str]:
    """Why this user cannot read all of it, each with the statement that lets them."""
    major = server.identity().major
    if major < _OLDEST:
        yield f"the server is PostgreSQL {major}; backups can be proven from PostgreSQL {_OLDEST} on"
    user = sql.name(server.rows(_USER, database)[0]["name"])
    for schema in _names(server, _SCHEMAS, database):
        yield f"schema {schema} may not be used: GRANT USAGE ON SCHEMA {schema} TO {user}"
    for row in server.rows(_UNREADABLE, database)[:_MOST_NAMED]:
        kind, name = row["kind"], row["name"]
        grant = f"GRANT SELECT ON {kind.upper()} {name} TO {user}"
        yield f"{kind} {name} may not be read: {grant}, or GRANT pg_read_all_data TO {user}"
    for table in _names(server, _ROW_SECURITY, database)[:_MOST_NAMED]:
        yield f"row-level security hides rows of {table}: ALTER ROLE {user} BYPASSRLS"
    for row in server.rows(_LARGE_OBJECTS, database)[:_MOST_NAMED]:
        yield (
            f"large object {row['oid']} may not be read: GRANT SELECT ON LARGE OBJECT {row['oid']} TO {user} "
            "(pg_read_all_data does not cover it)"
        )


def _revision(server: Server, database: str) -> str:
    """As tools for migrations recorded it; empty where no single record of it can be read."""
    from ..migration import revision

    try:
        found = revision.read(server, database, revision.Source())
    except ReleaseError:
        return ""
    return f"{found.text} (dirty)" if found.dirty else ", ".join(found.current)


def _roles(server: Server, database: str, own: Properties, settings: tuple[Setting, ...]) -> tuple[str, ...]:
    named = {row["name"] for row in server.rows(_ROLES, database)}
    named |= {own.owner} | {grantee for grantee, _privilege, _grantable in own.acl}
    named |= {setting.role for setting in settings}
    return tuple(sorted(name for name in named if name and not name.startswith("pg_")))


def _names(server: Server, query: str, database: str) -> list[str]:
    return [str(row["name"]) for row in server.rows(query, database)]
