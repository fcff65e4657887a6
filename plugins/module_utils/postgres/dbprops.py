# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a database itself, and which a plain restore of its dump would lose."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from . import sql

if TYPE_CHECKING:
    from .archive import Contents
    from .server import Server

_FIRST_WITH_PROVIDERS = 15
_ENTRY = "DATABASE PROPERTIES"
RESTORED_FROM = "runbook.restored_from"
"""The setting of a database that names the backup it was restored from, and when."""

_PROPERTIES = """
select pg_get_userbyid(d.datdba) as owner, pg_encoding_to_char(d.encoding) as encoding,
  case coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end
    as provider,
  d.datcollate as collate, d.datctype as ctype,
  coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') as locale,
  t.spcname as tablespace, d.datconnlimit as connection_limit,
  coalesce(shobj_description(d.oid, 'pg_database'), '') as comment,
  (select coalesce(json_agg(json_build_array(case when a.grantee = 0 then '' else pg_get_userbyid(a.grantee) end,
     a.privilege_type, a.is_grantable) order by a.grantee = 0 desc, pg_get_userbyid(a.grantee), a.privilege_type), '[]')
   from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a) as acl
from pg_database d join pg_tablespace t on t.oid = d.dattablespace where d.datname = {database}"""
_SETTINGS = """
select coalesce(r.rolname, '') as role, split_part(c.setting, '=', 1) as name,
  substr(c.setting, strpos(c.setting, '=') + 1) as value
from pg_database d join pg_db_role_setting s on s.setdatabase = d.oid left join pg_roles r on r.oid = s.setrole
cross join lateral unnest(s.setconfig) c(setting)
where d.datname = {database} order by 1, 2"""


@dataclass(frozen=True)
class Properties:
    """``provider``: libc, icu or builtin. ``acl``: (grantee, privilege, grantable), grantee empty for PUBLIC."""

    owner: str
    encoding: str
    provider: str
    collate: str
    ctype: str
    locale: str
    tablespace: str
    connection_limit: int
    comment: str
    acl: tuple[tuple[str, str, bool], ...]

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "acl": [list(grant) for grant in self.acl]}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Properties:
        """What ``to_dict`` made."""
        grants = tuple((grantee, privilege, grantable) for grantee, privilege, grantable in given["acl"])
        return cls(**{**given, "acl": grants})


@dataclass(frozen=True)
class Setting:
    """ALTER DATABASE … SET, or with ``role`` ALTER ROLE … IN DATABASE … SET.

    A parameter with a dot in its name is an application's and may be a secret: of its value only the hash is kept.
    """

    role: str
    name: str
    value: str
    sha256: str

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    @property
    def title(self) -> str:
        return f"setting {self.name}" + (f" of role {self.role}" if self.role else "")


def properties(server: Server, database: str) -> Properties:
    """``Refused`` if there is no such database."""
    found = server.rows(_PROPERTIES.format(database=sql.text(database)))
    if not found:
        raise Refused(f"there is no database {database}", where=server.where, remedy="give the name of one that exists")
    return Properties.of(found[0])


def settings(server: Server, database: str) -> tuple[Setting, ...]:
    rows = server.rows(_SETTINGS.format(database=sql.text(database)))
    return tuple(_setting(row["role"], row["name"], row["value"]) for row in rows)


@dataclass(frozen=True)
class Restored:
    """Id of the backup that a database came from by a restore, and when it was; empty and None if from none."""

    backup: str = ""
    at: datetime | None = None

    def statement(self, database: str) -> str:
        """Writes it down in the database's settings."""
        said = f"{self.backup} {self.at.isoformat() if self.at else ''}"
        return f"alter database {sql.name(database)} set {RESTORED_FROM} to {sql.text(said)}"


def restored(server: Server, database: str) -> Restored:
    rows = server.rows(_SETTINGS.format(database=sql.text(database)))
    said = next((str(row["value"]) for row in rows if (row["role"], row["name"]) == ("", RESTORED_FROM)), "")
    backup, _space, at = said.partition(" ")
    return Restored(backup, datetime.fromisoformat(at) if at else None)


def create(name: str, like: Properties, major: int) -> str:
    """The statement that makes an empty database with these properties; permissions and settings come last."""
    words = [f"create database {sql.name(name)} template template0 owner {sql.name(like.owner)}"]
    words += [f"encoding {sql.text(like.encoding)}"]
    if major >= _FIRST_WITH_PROVIDERS:
        words += [f"locale_provider {like.provider}"]
    words += [f"lc_collate {sql.text(like.collate)} lc_ctype {sql.text(like.ctype)}"]
    if like.locale:
        words += [f"{like.provider}_locale {sql.text(like.locale)}"]
    words += [f"tablespace {sql.name(like.tablespace)}"]
    return " ".join(words)


def grants(name: str, like: Properties) -> Iterator[str]:
    """The statements that give a new database the recorded permissions and its connection limit."""
    database = sql.name(name)
    yield f"revoke all on database {database} from public, {sql.name(like.owner)}"
    for grantee, privilege, grantable in like.acl:
        to = sql.name(grantee) if grantee else "public"
        option = " with grant option" if grantable and grantee != like.owner else ""
        yield f"grant {privilege.lower()} on database {database} to {to}{option}"
    if like.connection_limit != -1:
        yield f"alter database {database} connection limit {like.connection_limit}"


def recorded_settings(archive: Contents, name: str) -> Iterator[str]:
    """The settings that pg_dump wrote into its archive, as statements about the database ``name``."""
    dumped = "|".join(map(re.escape, (archive.database, sql.name(archive.database))))
    start = re.compile(rf"ALTER (DATABASE|ROLE (?P<role>\S.*?) IN DATABASE) (?:{dumped}) SET ")
    for entry in archive.entries:
        if entry.kind != _ENTRY:
            continue
        for statement in re.split(r"^(?=ALTER (?:DATABASE|ROLE) )", entry.text, flags=re.MULTILINE):
            said = start.match(statement)
            if said:
                of = f"ROLE {said['role']} IN DATABASE" if said["role"] else "DATABASE"
                yield f"ALTER {of} {sql.name(name)} SET {statement[said.end() :].strip().rstrip(';')}"


def _setting(role: str, name: str, value: str) -> Setting:
    kept = "" if "." in name else value
    return Setting(role, name, kept, hashlib.sha256(value.encode()).hexdigest())
