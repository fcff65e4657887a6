# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of a stand-in's database, by Alembic; applications that record it as sqlx does keep its table, too."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from app.settings import Settings

TABLE = """
create table if not exists _sqlx_migrations (
  version bigint primary key, description text not null, installed_on timestamptz not null default current_timestamp,
  success boolean not null, checksum bytea not null, execution_time bigint not null)
"""
RECORD = """
insert into _sqlx_migrations (version, description, success, checksum, execution_time)
values (:version, :description, :success, '', 0)
on conflict (version) do update set success = excluded.success
"""


def engine(database: str) -> Engine:
    """Releases of SQLAlchemy differ in the driver they take when none is named."""
    return create_engine(database.replace("postgresql://", "postgresql+psycopg2://", 1))


def upgrade(settings: Settings, home: Path) -> int:
    config = Config(str(home / "alembic.ini"))
    try:
        command.upgrade(config, "head")
    except Exception:
        if settings.records == "sqlx":
            _record(settings, config, success=False)
        raise
    if settings.records == "sqlx":
        _record(settings, config, success=True)
    return 0


def downgrade(_settings: Settings, home: Path) -> int:
    command.downgrade(Config(str(home / "alembic.ini")), "-1")
    return 0


def _record(settings: Settings, config: Config, *, success: bool) -> None:
    """Every revision of the image, the last one with how it went."""
    revisions = list(reversed(list(ScriptDirectory.from_config(config).walk_revisions())))
    with engine(settings.database).begin() as connection:
        connection.execute(text(TABLE))
        for place, one in enumerate(revisions, 1):
            went_well = success or place < len(revisions)
            connection.execute(
                text(RECORD), {"version": int(one.revision), "description": one.doc, "success": went_well}
            )
