# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the stand-ins; migrations with a small database, those of the image need PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

STAND_INS = Path(__file__).resolve().parents[2] / "stand_ins"
REVISION = """
from alembic import op

revision, down_revision = {id!r}, {parent!r}

def upgrade():
    op.execute("create table t{id} (id int)")

def downgrade():
    op.execute("drop table t{id}")
"""

Done = subprocess.CompletedProcess[str]


def systems() -> dict[str, Any]:
    files = sorted((STAND_INS / "systems").glob("*.yml"))
    return {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in files if path.stem != "faults"}


def part_of(system: str) -> str:
    return str(next(iter(systems()[system]["parts"])))


MIGRATING = [
    (name, command)
    for name, one in systems().items()
    for command, verb in one.get("commands", {}).items()
    if verb == "migrate"
]
MODELS = [(name, model) for name, one in systems().items() for model in one.get("models", {})]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What an image has, with two small revisions."""
    shutil.copytree(STAND_INS / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(STAND_INS / "systems", tmp_path / "systems")
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    shutil.copy(STAND_INS / "alembic.ini", tmp_path)
    shutil.copy(STAND_INS / "migrations" / "env.py", tmp_path / "migrations")
    for number, parent in (("1", None), ("2", "1")):
        text = REVISION.format(id=number, parent=parent)
        (tmp_path / "migrations" / "versions" / f"{number}.py").write_text(text)
    return tmp_path


def call(home: Path, *words: str, system: str = "", program: str = "", **settings: Any) -> Done:
    """In capitals what the environment says; everything else is the configuration, unless a system's file is."""
    given = {key: value for key, value in settings.items() if not key.isupper()}
    config = f"{home}/systems/{system}.yml" if system else json.dumps(given)
    own = {"APP_VERSION": "1.6.0", "DATABASE_URL": f"sqlite:///{home}/db", "APP_CONFIG": config}
    environment = {**os.environ, **own, **{key: value for key, value in settings.items() if key.isupper()}}
    dispatch = f"import sys; from app.cli import as_program; sys.exit(as_program({program!r}, sys.argv[1:]))"
    start = ["-c", dispatch] if program else ["-m", "app.cli"]
    command = [sys.executable, *start, *words]
    return subprocess.run(command, check=False, cwd=home, env=environment, capture_output=True, text=True)


def rows(home: Path, query: str) -> list[Any]:
    with sqlite3.connect(home / "db") as connection:
        return connection.execute(query).fetchall()


def test_a_migration_goes_up_and_one_revision_back(home: Path) -> None:
    assert call(home, "migrate").returncode == 0
    assert rows(home, "select version_num from alembic_version") == [("2",)]
    assert call(home, "back").returncode == 0
    assert rows(home, "select version_num from alembic_version") == [("1",)]


def test_a_bad_migration_ends_with_an_error(home: Path) -> None:
    done = call(home, "migrate", faults={"1.6.0": {"bad_migration": True}})
    assert done.returncode != 0
    assert "a_table_that_is_not_there" in done.stderr


def test_revisions_are_recorded_as_the_application_records_them(home: Path) -> None:
    assert call(home, "migrate", records="sqlx").returncode == 0
    assert rows(home, "select version, success from _sqlx_migrations order by version") == [(1, 1), (2, 1)]
    assert call(home, "migrate", records="sqlx", faults={"1.6.0": {"bad_migration": True}}).returncode != 0
    assert rows(home, "select version, success from _sqlx_migrations order by version") == [(1, 1), (2, 0)]


def test_nothing_is_migrated_without_a_database(home: Path) -> None:
    done = call(home, "migrate", DATABASE_URL="")
    assert done.returncode == 1
    assert "DATABASE_URL is not set" in done.stderr


@pytest.mark.parametrize(("system", "command"), MIGRATING)
def test_a_program_of_the_real_application_does_what_it_stands_for(home: Path, system: str, command: str) -> None:
    program, *words = command.split()
    done = call(home, *words, system=system, program=program, APP_PART=part_of(system))
    assert done.returncode == 0, done.stderr
    assert rows(home, "select version_num from alembic_version") == [("2",)]


def test_a_word_that_stands_for_nothing_is_told(home: Path) -> None:
    done = call(home, "install", program="npm", commands={"npm migrate": "migrate"})
    assert done.returncode == 127
    assert "npm install does not stand for anything" in done.stderr


@pytest.mark.parametrize(("system", "model"), MODELS)
def test_models_keep_their_bounds_and_a_bad_version_does_not(home: Path, system: str, model: str) -> None:
    words = ("validate-model", "--model", model, "--last-days", "7")
    good = call(home, *words, system=system, APP_PART=part_of(system))
    assert (good.returncode, good.stdout.count("✓")) == (0, 3), good.stderr
    faults = str(home / "systems" / "faults.yml")
    bad = call(home, *words, system=system, APP_PART=part_of(system), APP_FAULTS=faults, APP_VERSION="1.6.9")
    assert (bad.returncode, bad.stdout.count("✗")) == (1, 3)


def test_an_unknown_model_is_refused(home: Path) -> None:
    done = call(home, "validate-model", "--model", "wind", models={"sun": []})
    assert done.returncode == 2
    assert "model wind is none of sun" in done.stderr
