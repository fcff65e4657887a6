# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria about real servers: Prometheus, Alertmanager, PostgreSQL and Redis."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import measure
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.verdict import Verdict
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import certificate, serving

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.debian import free_port
from services.prometheus import Alertmanager, Prometheus
from services.redis import Redis

POSTGRES = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "t0ps3cret-of-the-database"
MINUTE = 60


def judge(
    source: dict[str, Any], select: str, expect: Any, timeout: float = 20.0, aggregate: str = "", samples: int = 1
) -> Verdict:
    entry = {"name": "it", "source": source, "select": select, "expect": expect, "timeout": timeout}
    (criterion,) = parse_criteria([{**entry, "aggregate": aggregate, "samples": samples}])
    return measure(criterion, World(), time.monotonic() + MINUTE)


class App:
    """Metrics that a test exposes; each scrape that begins shows that the one before is over.

    Every line says when its sample was taken, so that a scrape that fails on a busy machine takes no series away.
    """

    def __init__(self) -> None:
        self._scraped = threading.Condition()
        self._scrapes = 0
        self._text = ""
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_args: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                with app._scraped:
                    app._scrapes += 1
                    text = app._text.format(now=int(1000 * time.time()))
                    app._scraped.notify_all()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def expose(self, text: str) -> None:
        """`{now}` in it is the time of a scrape. Returns when it was scraped."""
        with self._scraped:
            self._text = text
            seen = self._scrapes
            assert self._scraped.wait_for(lambda: self._scrapes >= seen + 3, timeout=MINUTE)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    own = App()
    yield own
    own.close()


@pytest.fixture(scope="module")
def prometheus(app: App) -> Iterator[Prometheus]:
    nobody = f"127.0.0.1:{free_port()}"
    with Prometheus([app.address, nobody]) as server:
        assert isinstance(server, Prometheus)
        four_minutes_ago = int(1000 * (time.time() - 4 * MINUTE))
        app.expose(
            "latency_seconds 0.25 {now}\n"
            'requests_total{{pod="a"}} 10 {now}\n'
            'requests_total{{pod="b"}} 30 {now}\n'
            "share NaN {now}\n"
            "quantile +Inf {now}\n"
            f"pushed 7 {four_minutes_ago}\n"
        )
        yield server


class TestPrometheus:
    @pytest.mark.parametrize(
        ("query", "select", "expect", "verdict"),
        [
            ("latency_seconds", "value in s", "< 300 ms", "pass"),
            ("latency_seconds", "value in s", "< 200 ms", "fail"),
            ("sum(requests_total)", "value", "== 40", "pass"),
            ("scalar(latency_seconds)", "value in s", "< 300 ms", "pass"),
            ("requests_total", "value", ">= 0", "error"),
            ("requests_total", "series", "== 2", "pass"),
            ("requsts_total", "value", ">= 0", "insufficient"),
            ("sum(requsts_total)", "value", ">= 0", "insufficient"),
            ("share", "value in share", ">= 0 %", "insufficient"),
            ("quantile", "value in s", ">= 0 s", "insufficient"),
            ("sum(requests_total) / 0", "value", ">= 0", "insufficient"),
            ("sum(requests_total", "value", ">= 0", "error"),
            ('"text"', "value", ">= 0", "error"),
            ("requests_total[1m]", "value", ">= 0", "error"),
            ("pushed", "value", "== 7", "insufficient"),
            ("min(up)", "value", "== 1", "fail"),
        ],
    )
    def test_verdicts(self, prometheus: Prometheus, query: str, select: str, expect: str, verdict: str) -> None:
        found = judge({"kind": "prometheus", "url": prometheus.url, "query": query}, select, expect)
        assert found.verdict == verdict, found.sentence

    def test_several_series_are_aggregated(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "requests_total"}
        assert judge(source, "value", "== 30", aggregate="max", samples=2).verdict == "pass"
        assert judge(source, "value", "== 30", aggregate="max", samples=3).verdict == "insufficient"

    def test_the_age_of_a_sample_is_that_of_the_sample(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "pushed", "max_age": 500}
        assert judge(source, "age", "> 200 s").verdict == "pass"
        assert judge(source, "value", "== 7").verdict == "pass"

    def test_an_expression_is_as_stale_as_what_it_is_computed_from(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "pushed * 2"}
        assert judge(source, "value", "== 14").verdict == "pass"  # Prometheus does not say how old it is
        assert judge({**source, "fresh": "pushed"}, "value", "== 14").verdict == "insufficient"
        assert judge({**source, "fresh": "gone"}, "value", "== 14").verdict == "insufficient"

    def test_a_range(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "latency_seconds", "range": 10, "step": 1}
        assert judge(source, "value in s", "== 250 ms", aggregate="max").verdict == "pass"
        since = {**source, "range": 0, "since": time.time() - 5}
        assert judge(since, "value in s", "== 250 ms", aggregate="max").verdict == "pass"
        assert judge({**source, "query": "gone"}, "value", ">= 0", aggregate="max").verdict == "insufficient"

    def test_one_that_does_not_answer_is_an_error_at_the_deadline(self, prometheus: Prometheus) -> None:
        source = {"kind": "prometheus", "url": prometheus.url, "query": "up"}
        prometheus.freeze()
        try:
            found = judge(source, "value", ">= 0", timeout=0.5)
        finally:
            prometheus.thaw()
        assert (found.verdict, "no complete answer within" in found.sentence) == ("error", True)
        assert judge(source, "series", "== 2").verdict == "pass"

    def test_one_that_is_down_is_an_error(self) -> None:
        source = {"kind": "prometheus", "url": f"http://127.0.0.1:{free_port()}", "query": "up"}
        assert judge(source, "value", ">= 0").verdict == "error"


@pytest.fixture
def alertmanager() -> Iterator[Alertmanager]:
    with Alertmanager() as server:
        assert isinstance(server, Alertmanager)
        yield server


class TestAlertmanager:
    def test_alerts_silences_and_the_watchdog(self, alertmanager: Alertmanager) -> None:
        source = {"kind": "alertmanager", "url": alertmanager.url}
        assert judge(source, "firing", "== 0").verdict == "insufficient"
        slow = {"alertname": "Slow", "severity": "critical"}
        alertmanager.post("alerts", [{"labels": {"alertname": "Watchdog"}}])
        assert judge(source, "firing", "== 0").verdict == "pass"
        alertmanager.post("alerts", [{"labels": slow}, {"labels": {"alertname": "Full", "severity": "warning"}}])
        assert judge(source, "firing", "== 2").verdict == "pass"
        critical = {**source, "matchers": ['severity="critical"']}
        assert judge(critical, "firing", "== 0").observed == 1
        assert judge({**source, "since": time.time() + MINUTE}, "firing", "== 0").verdict == "pass"
        matcher = {"name": "alertname", "value": "Slow", "isRegex": False, "isEqual": True}
        times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + more)) for more in (0, MINUTE)]
        silence = {"matchers": [matcher], "startsAt": times[0], "endsAt": times[1], "createdBy": "me", "comment": "x"}
        alertmanager.post("silences", silence)
        assert judge(critical, "firing", "== 0").verdict == "pass"
        assert judge(critical, "silenced", "== 1").verdict == "pass"
        assert judge(critical, "alerts", "== 1").verdict == "pass"

    def test_a_matcher_it_does_not_understand_is_an_error(self, alertmanager: Alertmanager) -> None:
        found = judge({"kind": "alertmanager", "url": alertmanager.url, "matchers": ["=x"]}, "firing", "== 0")
        assert found.verdict == "insufficient"  # the watchdog is looked for first
        source = {"kind": "alertmanager", "url": alertmanager.url, "matchers": ["=x"], "watchdog": ""}
        assert judge(source, "firing", "== 0").verdict == "error"


def as_postgres(*command: str) -> list[str]:
    account = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *account, "--pdeathsig", "KILL", *command]


class Database:
    """PostgreSQL with TLS and a few rows, in a folder that goes when it stops."""

    def __init__(self, trust: tuple[Path, Path]) -> None:
        self.port = free_port()
        self.certificate = trust[0]
        self.folder = Path(tempfile.mkdtemp(prefix="runbook-live-"))
        (self.folder / "password").write_text(PASSWORD)
        for path in trust:
            shutil.copy(path, self.folder)
        for path in (*self.folder.iterdir(), self.folder):
            path.chmod(0o700 if path.is_dir() else 0o600)
            if os.geteuid() == 0:
                shutil.chown(path, "postgres", "postgres")
        self._run(trust)

    def _run(self, trust: tuple[Path, Path]) -> None:
        data, password = str(self.folder / "data"), f"--pwfile={self.folder / 'password'}"
        make = as_postgres(str(POSTGRES / "initdb"), "--auth=scram-sha-256", "--username=admin", password, "-D", data)
        subprocess.run(make, check=True, cwd=self.folder, capture_output=True)
        certificate, key = (str(self.folder / path.name) for path in trust)
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "ssl": "on"}
        settings |= {"ssl_cert_file": certificate, "ssl_key_file": key}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen(
            as_postgres(str(POSTGRES / "postgres"), "-D", data, "-p", str(self.port), *options),
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr
        while "ready to accept connections" not in (line := self.process.stderr.readline()):
            assert line, "PostgreSQL did not start"
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def fill(self) -> None:
        import psycopg2

        login = {"host": "127.0.0.1", "port": self.port, "user": "admin", "password": PASSWORD, "dbname": "postgres"}
        connection = psycopg2.connect(**login)
        with connection, connection.cursor() as cursor:
            cursor.execute(FILLED)
        connection.close()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        shutil.rmtree(self.folder)


FILLED = """
CREATE TABLE audit (time timestamptz, naive timestamp, took interval, share numeric, note text);
INSERT INTO audit VALUES
    (now() - interval '10 min', now(), '250 ms', 0.002, 'a'),
    (now() - interval '2 h', now(), '900 ms', 'NaN', 'b');
CREATE SEQUENCE counter;
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    server = Database(certificate(tmp_path_factory.mktemp("trust"), days=30))
    server.fill()
    yield server
    server.stop()


Ask = Callable[..., Verdict]


@pytest.fixture
def ask(database: Database, tmp_path: Path) -> Ask:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    login = {"host": "127.0.0.1", "port": database.port, "database": "postgres", "user": "admin"}

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

    def test_a_server_that_does_not_answer_is_an_error_at_the_deadline(self, ask: Ask, database: Database) -> None:
        database.process.send_signal(signal.SIGSTOP)
        try:
            found = ask("SELECT 1 AS n", "n", "== 1", timeout=0.5)
        finally:
            database.process.send_signal(signal.SIGCONT)
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
        self, ask: Ask, database: Database, more: dict[str, Any], verdict: str
    ) -> None:
        given = {**more, "ca_cert": str(database.certificate)} if "ca_cert" in more else more
        found = ask("SELECT 1 AS n", "n", "== 1", given)
        assert found.verdict == verdict, found.sentence

    @pytest.mark.parametrize("more", [{"user": "nobody"}, {"database": "none"}, {"query": f"SELECT '{PASSWORD}'::int"}])
    def test_the_password_is_not_shown(self, ask: Ask, more: dict[str, Any]) -> None:
        found = ask("SELECT 1 AS n", "n", "== 1", more)
        assert found.verdict == "error"
        assert PASSWORD not in found.sentence


def memory() -> int:
    """The most this process ever had, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(certificate(tmp_path_factory.mktemp("trust"), days=30)) as server:
        assert isinstance(server, Redis)
        yield server


@pytest.fixture
def cache(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setenv("REDIS_PASSWORD", redis.password)
    login = {"kind": "redis", "host": "127.0.0.1", "port": redis.port, "password_environment": "REDIS_PASSWORD"}
    redis.say("CONFIG", "RESETSTAT")
    redis.say("FLUSHALL")

    def asking(select: str, expect: Any, more: dict[str, Any] | None = None, **entry: Any) -> Verdict:
        source = {key: value for key, value in {**login, **(more or {})}.items() if value is not None}
        return judge(source, select, expect, **entry)

    return asking


class TestRedis:
    def test_it_answers(self, cache: Ask) -> None:
        assert cache("ping", "== true").verdict == "pass"
        assert cache("latency", "< 5 s", samples=5, aggregate="max").samples == 5
        assert cache("role", '== "master"').verdict == "pass"
        assert cache("redis_version", ">= v6.0").verdict == "pass"
        assert cache("used_memory in B", "< 1 GiB").verdict == "pass"
        assert cache("hit_rate", ">= 0").verdict == "insufficient"

    def test_the_share_of_hits(self, cache: Ask, redis: Redis) -> None:
        assert cache("hit_share", ">= 0 %").verdict == "insufficient"
        redis.say("SET", "here", "1")
        for key in ("here", "here", "here", "gone"):
            redis.say("GET", key)
        found = cache("hit_share", ">= 75 %")
        assert (found.verdict, found.samples) == ("pass", 4)
        assert cache("keys", "== 1").verdict == "pass"
        assert cache("keys", "== 0", {"db": 3}).verdict == "pass"

    def test_hits_are_counted_over_a_duration(self, cache: Ask, redis: Redis) -> None:
        redis.say("SET", "here", "1")
        redis.say("GET", "here")
        assert cache("hits", "> 0", {"duration": 0.1}).verdict == "fail"
        over = threading.Event()

        def look_up() -> None:
            while not over.is_set():
                redis.say("GET", "here")

        reader = threading.Thread(target=look_up)
        reader.start()
        try:
            assert cache("hits", "> 0", {"duration": 1.0}).verdict == "pass"
        finally:
            over.set()
            reader.join()

    def test_the_share_of_memory(self, cache: Ask, redis: Redis) -> None:
        assert cache("memory_share", "< 100 %").verdict == "insufficient"
        redis.say("CONFIG", "SET", "maxmemory", "100mb")
        assert cache("memory_share", "< 90 %").verdict == "pass"
        redis.say("CONFIG", "SET", "maxmemory", "0")

    @pytest.mark.parametrize("password", [None, "WRONG"])
    def test_a_wrong_password_is_an_error_and_not_shown(
        self, cache: Ask, monkeypatch: pytest.MonkeyPatch, password: str | None
    ) -> None:
        monkeypatch.setenv("WRONG", "wr0ng-password")
        found = cache("ping", "== true", {"password_environment": password})
        assert found.verdict == "error"
        assert "wr0ng-password" not in repr(found.report())

    def test_tls(self, cache: Ask, redis: Redis) -> None:
        assert redis.trust
        tls = {"port": redis.tls_port, "tls": True}
        assert cache("ping", "== true", {**tls, "ca_cert": str(redis.trust[0])}).verdict == "pass"
        found = cache("ping", "== true", tls)
        assert (found.verdict, "certificate is not accepted" in found.sentence) == ("error", True)
        assert cache("ping", "== true", {"port": redis.tls_port}, timeout=1).verdict == "error"

    def test_one_that_does_not_answer_is_an_error_at_the_deadline(self, cache: Ask, redis: Redis) -> None:
        redis.freeze()
        try:
            found = cache("ping", "== true", timeout=0.5)
        finally:
            redis.thaw()
        assert (found.verdict, "no complete answer within" in found.sentence) == ("error", True)
