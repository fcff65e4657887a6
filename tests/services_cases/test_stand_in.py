# SPDX-License-Identifier: GPL-3.0-or-later
"""The application of the stand-ins with what is behind it: PostgreSQL and Redis."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.postgres import Postgres
from services.redis import Redis
from services_cases.migrating import Case

STAND_INS = Path(__file__).resolve().parents[1] / "stand_ins"
LOGIN = {"/login": {"method": "POST", "action": "login", "body": {"token": "{token}"}}}


def environment(**given: str) -> dict[str, str]:
    return {**os.environ, "APP_VERSION": "1.7.0", **given}


def url_of(server: Postgres, database: str) -> str:
    return f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/{database}"


def run(*words: str, **given: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, check=False, cwd=STAND_INS, env=environment(**given), capture_output=True, text=True)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes = []

    def make(module: str, **given: str) -> subprocess.Popen[str]:
        own = environment(**given)
        command = [sys.executable, "-m", module]
        processes.append(subprocess.Popen(command, cwd=STAND_INS, env=own, text=True, stdout=subprocess.PIPE))
        return processes[-1]

    yield make
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        assert isinstance(server, Redis)
        yield server


def awaited(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"


def test_the_schema_goes_up_and_back_with_a_week_of_measurements(case: Case, postgres15: Postgres) -> None:
    url = url_of(postgres15, case.name)
    done = run("app.cli", "migrate", DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    assert postgres15.sql("select version_num from alembic_version", case.name) == [("3",)]
    recent = "select count(*) > 3 from solar_measurements where time between now() - interval '1 hour' and now()"
    assert postgres15.sql(recent, case.name) == [(True,)]
    assert run("app.cli", "back", DATABASE_URL=url).returncode == 0
    assert postgres15.sql("select version_num from alembic_version", case.name) == [("2",)]


def test_a_bad_migration_leaves_nothing(case: Case, postgres15: Postgres) -> None:
    bad = json.dumps({"1.7.0": {"bad_migration": True}})
    done = run("app.cli", "migrate", DATABASE_URL=url_of(postgres15, case.name), APP_FAULTS=bad)
    assert done.returncode != 0
    assert "a_table_that_is_not_there" in done.stderr
    assert postgres15.sql("select to_regclass('audit_log')", case.name) == [(None,)]


def test_the_audit_log_is_written(
    case: Case, postgres15: Postgres, start: Callable[..., subprocess.Popen[str]]
) -> None:
    url = url_of(postgres15, case.name)
    assert run("app.cli", "migrate", DATABASE_URL=url).returncode == 0
    app = start("app", DATABASE_URL=url, APP_CONFIG=json.dumps({"port": 0, "drain": 0, "endpoints": LOGIN}))
    assert app.stdout
    port = int(app.stdout.readline().split()[-1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/login", "{}")
    assert connection.getresponse().status == 200
    awaited(lambda: postgres15.sql("select action, response_status from audit_log", case.name) == [("login", 200)])


def test_a_worker_ends_the_task_in_its_hands_and_loses_none(
    redis: Redis, start: Callable[..., subprocess.Popen[str]]
) -> None:
    url = f"redis://:{redis.password}@{redis.host}:{redis.port}/tasks"
    redis.say("RPUSH", "tasks", '{"id": 1, "seconds": 0}')
    worker = start("app.worker", QUEUE_URL=url, APP_CONFIG='{"port": 0}')
    awaited(lambda: redis.say("LLEN", "tasks:done") == "1")
    redis.say("RPUSH", "tasks", '{"id": 2, "seconds": 2}', '{"id": 3}')
    awaited(lambda: redis.say("LLEN", "tasks") != "2")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    done = [json.loads(line) for line in redis.say("LRANGE", "tasks:done", "0", "-1").splitlines()]
    left = [json.loads(line) for line in redis.say("LRANGE", "tasks", "0", "-1").splitlines()]
    assert len(done) >= 2
    assert [one["id"] for one in [*done, *left]] == [1, 2, 3]
    assert {one["version"] for one in done} == {"1.7.0"}
