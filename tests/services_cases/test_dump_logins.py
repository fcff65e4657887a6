# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may dump what, and that nobody learns the password."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres.session import SessionServer
from services.postgres import Postgres
from services_cases.dumping import (
    Way,
    by_tcp,
    dump,
    kill_pg_dump,
    once,
)

NASTY = """p:\\a'b"$ x"""


def test_a_wrong_password_is_refused(way: Way, postgres15: Postgres) -> None:
    with way(postgres15, password="wrong") as server, pytest.raises(Refused, match="does not accept the password"):  # type: ignore[call-arg]
        server.identity()


def test_a_database_that_does_not_exist_is_refused(way: Way, postgres15: Postgres) -> None:
    with way(postgres15) as server, pytest.raises(Refused, match="there is no database nowhere"):
        server.holding_snapshot("nowhere").__enter__()


def test_a_server_that_is_not_there_is_named(way: Way, postgres15: Postgres) -> None:
    with way(postgres15, port=1) as server, pytest.raises(ReleaseError, match="the server cannot be reached"):  # type: ignore[call-arg]
        server.identity()


@pytest.fixture
def reader(postgres15: Postgres, database: Any) -> Iterator[dict[str, str]]:
    """A user who may read all tables, and no more."""
    name, password = f"reader_{secrets.token_hex(3)}", secrets.token_hex(8)
    postgres15.sql(f"create role {name} login password '{password}' in role pg_read_all_data")
    yield {"user": name, "password": password}
    database.sql(f"drop owned by {name}")
    postgres15.sql(f"drop role {name}")


def test_large_objects_without_permission_are_refused_with_the_grant_that_helps(
    way: Way, postgres15: Postgres, database: Any, reader: dict[str, str]
) -> None:
    with way(postgres15, **reader) as server, pytest.raises(Refused, match=r"GRANT SELECT ON LARGE OBJECT \d+"):  # type: ignore[call-arg]
        dump(server, database.name)


def test_rows_that_row_level_security_hides_are_never_left_out(
    way: Way, postgres15: Postgres, database: Any, reader: dict[str, str]
) -> None:
    database.sql("select lo_unlink(oid) from pg_largeobject_metadata")
    with way(postgres15, **reader) as server:  # type: ignore[call-arg]
        assert dump(server, database.name)
        database.sql("alter table shop.customers enable row level security")
        with pytest.raises(Refused, match=r"row-level security hides rows of customers.*BYPASSRLS"):
            dump(server, database.name)


def test_tables_without_permission_are_refused(way: Way, postgres15: Postgres, database: Any) -> None:
    name, password = f"nobody_{secrets.token_hex(3)}", secrets.token_hex(8)
    postgres15.sql(f"create role {name} login password '{password}'")
    try:
        with (
            way(postgres15, user=name, password=password) as server,  # type: ignore[call-arg]
            pytest.raises(Refused, match=r"schema shop may not be read.*GRANT pg_read_all_data"),
        ):
            dump(server, database.name)
    finally:
        postgres15.sql(f"drop role {name}")


def test_the_password_is_in_no_argument_and_no_message_and_no_file(
    way: Way, postgres15: Postgres, readings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    postgres15.sql("create role keeper superuser login password %s", values=[NASTY])
    seen: list[bytes] = []

    def look() -> None:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(file.read_bytes())
            except OSError:
                continue
        seen.extend(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    try:
        with way(postgres15, user="keeper", password=NASTY) as server:  # type: ignore[call-arg]
            dump(server, readings, once(look))
            assert NASTY not in repr(vars(server)) + repr(server)
            with pytest.raises(ReleaseError) as caught:
                dump(server, readings, once(kill_pg_dump))
            told = f"{caught.value}{caught.value.details}"
        assert any(b"pg_dump" in command for command in seen)
        assert not any(NASTY.encode() in content for content in seen)
        assert NASTY not in told
        assert list(tmp_path.iterdir()) == []
    finally:
        postgres15.sql("drop role keeper")


def test_settings_of_the_caller_do_not_steer_the_programs(
    postgres15: Postgres, readings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PGHOSTADDR", "192.0.2.1"), ("PGOPTIONS", "-c nonsense=1"), ("PGSERVICE", "other")):
        monkeypatch.setenv(name, value)
    with by_tcp(postgres15) as server:
        assert isinstance(server, SessionServer)
        assert dump(server, readings).startswith(b"PGDMP")
