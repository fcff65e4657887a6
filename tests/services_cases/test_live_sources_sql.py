# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria about a real PostgreSQL: queries, and the accuracy of a model out of a table."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.verdict import Verdict
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import certificate, serving

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.debian import free_port
from services.postgres import ACCOUNT, Postgres
from services_cases.live import MINUTE, Ask, judge

CERTIFICATE, KEY = "server.pem", "server.key"
FILLED = """
CREATE TABLE audit (time timestamptz, naive timestamp, took interval, share numeric, note text);
INSERT INTO audit VALUES
    (now() - interval '10 min', now(), '250 ms', 0.002, 'a'),
    (now() - interval '2 h', now(), '900 ms', 'NaN', 'b');
CREATE SEQUENCE counter;
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """With TLS and a few rows."""
    server = Postgres.start()
    try:
        for path, name in zip(certificate(tmp_path_factory.mktemp("trust"), days=30), (CERTIFICATE, KEY), strict=True):
            shutil.copy(path, server.folder / name)
            (server.folder / name).chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(server.folder / name, ACCOUNT, ACCOUNT)
        settings = {"ssl_cert_file": server.folder / CERTIFICATE, "ssl_key_file": server.folder / KEY, "ssl": "on"}
        for name, value in settings.items():
            server.sql(f"alter system set {name} = '{value}'")
        server.kill()
        server.run()
        server.sql(FILLED)
        yield server
    finally:
        server.stop()


def postmaster(server: Postgres) -> int:
    return int((server.folder / "data" / "postmaster.pid").read_text().split()[0])


@pytest.fixture
def ask(database: Postgres, tmp_path: Path) -> Ask:
    (tmp_path / "password").write_text(database.password + "\n")
    login = {"host": database.host, "port": database.port, "database": "postgres", "user": database.user}

    def asking(query: str, select: str, expect: Any, more: dict[str, Any] | None = None, **entry: Any) -> Verdict:
        source = {"kind": "sql", **login, "password_file": str(tmp_path / "password"), "query": query, **(more or {})}
        return judge(source, select, expect, **entry)

    return asking


class TestSql:
    @pytest.mark.parametrize(
        ("query", "select", "expect", "verdict"),
        [
            ("SELECT count(*) AS n FROM audit", "n", "== 2", "pass"),
            ("SELECT * FROM audit", "rows", "== 2", "pass"),
            ("SELECT * FROM audit WHERE false", "rows", "== 0", "pass"),
            ("SELECT * FROM audit WHERE false", "note", '== "a"', "insufficient"),
            ("SELECT * FROM audit WHERE false", "nothing", '== "a"', "error"),
            ("SELECT * FROM audit", "nothing", '== "a"', "error"),
            ("SELECT max(time) AS newest FROM audit", "newest", "within 1 h", "pass"),
            ("SELECT min(time) AS oldest FROM audit", "oldest", "within 1 h", "fail"),
            ("SELECT max(naive) AS newest FROM audit", "newest", "within 1 h", "error"),
            ("SELECT now() + interval '1 h' AS newest", "newest", "within 2 h", "insufficient"),
            ("SELECT extract(epoch FROM now() - max(time)) AS age FROM audit", "age in s", "< 11 min", "pass"),
            ("SELECT extract(epoch FROM now() - max(time)) AS age FROM audit", "age in s", "< 9 min", "fail"),
            ("SELECT min(share) AS share FROM audit", "share in share", "<= 0.2 %", "pass"),
            ("SELECT 'NaN'::float8 AS r2", "r2", "> 0.9", "insufficient"),
            ("SELECT 'Infinity'::float8 AS r2", "r2", "> 0.9", "insufficient"),
            ("SELECT NULL::int AS n", "n", ">= 0", "insufficient"),
            ("SELECT note FROM audit", "note", '== "a"', "error"),
            ("SELECT 'a' AS x, 'b' AS x", "x", '== "a"', "error"),
            ("WITH n AS (SELECT 7 AS x) SELECT x FROM n; ", "x", "== 7", "pass"),
            ("SELECT 7 AS x -- the answer", "x", "== 7", "pass"),
            ("SELECT * FROM audit WHERE note LIKE '%a'", "rows", "== 1", "pass"),
            ("SELECT * FROM nothing", "rows", "== 0", "error"),
            ("SELECT", "rows", ">= 0", "pass"),
            ("not SQL", "rows", ">= 0", "error"),
        ],
    )
    def test_verdicts(self, ask: Ask, query: str, select: str, expect: str, verdict: str) -> None:
        found = ask(query, select, expect)
        assert found.verdict == verdict, found.sentence

    @pytest.mark.parametrize(
        "query",
        [
            "SELECT nextval('counter') AS n",
            "DELETE FROM audit RETURNING note",
            "WITH gone AS (DELETE FROM audit RETURNING note) SELECT * FROM gone",
            "SELECT 1) AS q; DELETE FROM audit; SELECT * FROM (SELECT 1",
        ],
    )
    def test_nothing_is_written(self, ask: Ask, query: str) -> None:
        assert ask(query, "rows", ">= 0").verdict == "error"
        assert ask("SELECT * FROM audit", "rows", "== 2").verdict == "pass"
        assert ask("SELECT last_value, is_called FROM counter", "is_called", "== false").verdict == "pass"

    @pytest.mark.parametrize(
        "query",
        [
            "SELECT generate_series(1, 1000000000) AS n",
            "SELECT repeat('x', 100000000) AS n",
            "SELECT repeat('x', 60000) AS n FROM generate_series(1, 9000)",
        ],
    )
    def test_what_is_too_large_is_an_error_and_does_not_come(self, ask: Ask, query: str) -> None:
        before = memory()
        found = ask(query, "rows", ">= 0", timeout=MINUTE)
        assert (found.verdict, "too large" in found.sentence) == ("error", True)
        assert memory() - before < 150 * 2**20

    def test_a_query_that_takes_too_long_is_ended_on_the_server_too(self, ask: Ask) -> None:
        found = ask("SELECT 1 AS n, pg_sleep(50)", "n", "== 1", timeout=0.7)
        assert found.verdict == "error"
        assert found.seconds < 10
        mine = "SELECT * FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
        assert ask(f"SELECT pg_sleep(1) FROM (SELECT) AS one WHERE EXISTS ({mine})", "rows", ">= 0").verdict == "pass"
        assert ask(mine, "rows", "== 0").verdict == "pass"

    def test_a_server_that_does_not_answer_is_an_error_at_the_deadline(self, ask: Ask, database: Postgres) -> None:
        os.kill(postmaster(database), signal.SIGSTOP)
        try:
            found = ask("SELECT 1 AS n", "n", "== 1", timeout=0.5)
        finally:
            os.kill(postmaster(database), signal.SIGCONT)
        assert found.verdict == "error"
        assert "no complete answer within" in found.sentence
        assert found.seconds < 10

    def test_a_server_that_is_none_is_an_error(self, ask: Ask) -> None:
        assert ask("SELECT 1 AS n", "n", "== 1", {"port": free_port()}).verdict == "error"
        for fault in ("garbage", "hang", "reset", "huge", "drip"):
            with serving() as other:
                other.fault = fault
                found = ask("SELECT 1 AS n", "n", "== 1", {"port": other.server_port}, timeout=1)
            assert found.verdict == "error", fault

    @pytest.mark.parametrize(
        ("more", "verdict"),
        [({"sslmode": "verify-full", "ca_cert": "own"}, "pass"), ({"sslmode": "verify-full"}, "error")],
    )
    def test_its_certificate_must_be_trusted(
        self, ask: Ask, database: Postgres, more: dict[str, Any], verdict: str
    ) -> None:
        given = {**more, "ca_cert": str(database.folder / CERTIFICATE)} if "ca_cert" in more else more
        found = ask("SELECT 1 AS n", "n", "== 1", given)
        assert found.verdict == verdict, found.sentence

    @pytest.mark.parametrize("more", [{"user": "nobody"}, {"database": "none"}, {"query": "SELECT '{}'::int"}])
    def test_the_password_is_not_shown(self, ask: Ask, database: Postgres, more: dict[str, Any]) -> None:
        given = {name: text.format(database.password) for name, text in more.items()}
        found = ask("SELECT 1 AS n", "n", "== 1", given)
        assert found.verdict == "error"
        assert database.password not in found.sentence


def memory() -> int:
    """The most this process ever had, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


HOURS = "SELECT * FROM (VALUES (100.0, 110.0, now() - interval '2 h'), (200, 190, now())) AS h (forecast, real, at)"
COLUMNS = {"kind": "model", "predicted": "forecast", "actual": "real"}


@pytest.mark.parametrize(
    ("query", "select", "expect", "more", "verdict"),
    [
        (HOURS, "mape", "< 10 %", {}, "pass"),
        (HOURS, "rmse in kW", "== 10 kW", {}, "pass"),
        (HOURS, "mae in V", "< 2 V", {}, "fail"),
        (HOURS, "age", "within 5 min", {"time_column": "at"}, "pass"),
        (HOURS, "mape", "< 10 %", {"time_column": "at", "newer_than": "2999-01-01T00:00:00Z"}, "insufficient"),
        (HOURS, "mape", "< 10 %", {"newer_than": "2020-01-01T00:00:00Z", "trust_file_time": True}, "insufficient"),
        (HOURS, "mape", "< 10 %", {"actual": "measured"}, "error"),
        (f"{HOURS} WHERE real < 0", "mape", "< 10 %", {}, "insufficient"),
        ("SELECT 1 AS forecast, NULL::int AS real", "mape", "< 10 %", {}, "insufficient"),
        ("SELECT 1 AS forecast, 'NaN'::float8 AS real", "mape", "< 10 %", {}, "insufficient"),
        ("SELECT 1 AS forecast, 0 AS real", "mape", "< 10 %", {}, "error"),
    ],
)
def test_the_accuracy_of_a_model(
    ask: Ask, database: Postgres, query: str, select: str, expect: str, more: dict[str, Any], verdict: str
) -> None:
    found = ask(query, select, expect, {**COLUMNS, **more})
    assert found.verdict == verdict, found.sentence
    assert database.password not in str(found.report())
