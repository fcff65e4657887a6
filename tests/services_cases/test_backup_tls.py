# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that lets nobody in without TLS, and who is it really: the programs and the sessions of a backup alike."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import server_of
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import DumpOptions, Server
from services.backups import option_of
from services.postgres import Postgres


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    """The certificate of an authority nobody else knows; its key is beside it."""
    made = folder / f"{name}.crt"
    options = ("-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-x509", *options, "-days", "2", "-keyout", made.with_suffix(".key"), "-out", made)
    return made


def signed(folder: Path, by: Path, names: str) -> Path:
    """The certificate of a server of these names; its key is beside it."""
    made, request, extensions = (folder / f"server.{end}" for end in ("crt", "csr", "ext"))
    extensions.write_text(f"subjectAltName={names}\n")
    openssl(
        *("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=database"),
        *("-keyout", made.with_suffix(".key"), "-out", request),
    )
    ca = ("-CA", by, "-CAkey", by.with_suffix(".key"), "-CAcreateserial")
    openssl("x509", "-req", "-in", request, *ca, "-days", "2", "-extfile", extensions, "-out", made)
    return made


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority(tmp_path_factory.mktemp("trusted"), "ours")


@pytest.fixture(scope="module")
def demanding(trusted: Path) -> Iterator[Postgres]:
    """Its certificate is for 127.0.0.1, and not for the name localhost."""
    postgres = Postgres.start()
    try:
        certificate = signed(trusted.parent, trusted, "IP:127.0.0.1")
        postgres.demand_tls(certificate, certificate.with_suffix(".key"))
        yield postgres
    finally:
        postgres.stop()


def reached(postgres: Postgres, **more: Any) -> Server:
    return server_of({"mode": "tcp", **option_of(postgres, **more)}, None)


def test_a_server_whose_authority_is_trusted_is_asked_and_dumped(demanding: Postgres, trusted: Path) -> None:
    archive = bytearray()
    with (
        reached(demanding, sslmode="verify-full", sslrootcert=str(trusted)) as server,
        server.holding_snapshot("postgres") as snapshot,
    ):
        server.dump(DumpOptions("postgres"), snapshot.name, archive.extend)
        sessions = "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where backend_type = 'client backend'"
        assert {row["ssl"] for row in server.rows(sessions)} == {True}
    assert archive.startswith(b"PGDMP")


def test_a_server_that_another_authority_vouches_for_is_refused(demanding: Postgres, tmp_path: Path) -> None:
    other = str(authority(tmp_path, "theirs"))
    with (
        reached(demanding, sslmode="verify-full", sslrootcert=other) as server,
        pytest.raises(Refused, match=r"cannot show that it is the one asked for") as caught,
    ):
        server.identity()
    assert "server.sslrootcert" in caught.value.remedy


def test_a_server_of_another_name_is_refused(demanding: Postgres, trusted: Path) -> None:
    with (
        reached(demanding, host="localhost", sslmode="verify-full", sslrootcert=str(trusted)) as server,
        pytest.raises(Refused, match=r"cannot show that it is the one asked for") as caught,
    ):
        server.identity()
    assert "server.host" in caught.value.remedy


def test_without_tls_nobody_gets_in_and_is_told_how(demanding: Postgres) -> None:
    with reached(demanding, sslmode="disable") as server, pytest.raises(Refused, match=r"without TLS") as caught:
        server.identity()
    assert "set server.sslmode to verify-full and server.sslrootcert" in caught.value.remedy


def test_a_server_without_tls_is_refused_to_who_demands_it(postgres15: Postgres, trusted: Path) -> None:
    with (
        reached(postgres15, sslmode="verify-full", sslrootcert=str(trusted)) as server,
        pytest.raises(Refused, match=r"the server has no TLS"),
    ):
        server.identity()


def test_without_an_authority_to_trust_it_says_which_option_names_one(demanding: Postgres, tmp_path: Path) -> None:
    with (
        reached(demanding, sslmode="verify-full", sslrootcert=str(tmp_path / "none.crt")) as server,
        pytest.raises(Refused, match=r"which authorities to trust") as caught,
    ):
        server.identity()
    assert "set server.sslrootcert" in caught.value.remedy
