# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HOME = Path(__file__).resolve().parents[2] / "stand_ins"


class StandIn:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout
        self.port = int(process.stdout.readline().split()[-1])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)

    def get(self, path: str, connection: http.client.HTTPConnection | None = None) -> tuple[int, Any, Any]:
        return self.ask("GET", path, connection=connection)

    def ask(
        self,
        method: str,
        path: str,
        body: str = "",
        headers: dict[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> tuple[int, Any, Any]:
        connection = connection or self.connect()
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def spawn(version: str, config: dict[str, Any]) -> subprocess.Popen[str]:
    environment = {**os.environ, "APP_VERSION": version, "APP_CONFIG": json.dumps({"port": 0, "drain": 0, **config})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-m", "app"]
    return subprocess.Popen(command, cwd=HOME, env=environment, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def start() -> Iterator[Callable[..., StandIn]]:
    processes = []

    def make(version: str = "1.0.0", **config: Any) -> StandIn:
        processes.append(spawn(version, config))
        return StandIn(processes[-1])

    yield make
    for process in processes:
        process.kill()
        process.communicate()


def test_every_answer_names_the_version(start: Callable[..., StandIn]) -> None:
    endpoints = {"/health": {"health": True}, "/status": {"body": {"state": "active"}}}
    app = start("1.6.0", endpoints=endpoints)
    for path, code in {"/version": 200, "/health": 200, "/status": 200, "/metrics": 200, "/nothing": 404}.items():
        status, headers, _body = app.get(path)
        assert (status, headers["X-App-Version"]) == (code, "1.6.0"), path
    assert json.loads(app.get("/version")[2]) == {"version": "1.6.0"}
    assert json.loads(app.get("/status")[2]) == {"state": "active"}


def test_a_connection_is_kept(start: Callable[..., StandIn]) -> None:
    app = start()
    connection = app.connect()
    app.get("/version", connection)
    before = connection.sock
    app.get("/version", connection)
    assert before is not None
    assert connection.sock is before


def test_a_stream_ends_after_its_time(start: Callable[..., StandIn]) -> None:
    status, headers, body = start("1.6.0").get("/stream/0.2")
    assert (status, headers["Transfer-Encoding"]) == (200, "chunked")
    assert [json.loads(line)["tick"] for line in body.splitlines()] == [0, 1, 2]


def test_metrics_count_requests(start: Callable[..., StandIn]) -> None:
    app = start()
    for _try in range(3):
        app.get("/version")
    text = app.get("/metrics")[2].decode()
    assert 'http_requests_total{path="/version",status="200"} 3' in text
    assert 'http_request_duration_seconds_bucket{le="+Inf"} 3' in text


def test_errors_come_in_the_given_share_and_never_on_health(start: Callable[..., StandIn]) -> None:
    app = start("1.6.1", faults={"1.6.1": {"error_share": 0.05}})
    codes = [app.get("/version")[0] for _try in range(100)]
    assert codes.count(500) == 5
    assert [app.get("/healthz")[0] for _try in range(40)].count(200) == 40


def test_a_fault_is_of_one_version_only(start: Callable[..., StandIn]) -> None:
    app = start("1.6.0", faults={"1.6.1": {"error_share": 1.0}})
    assert app.get("/version")[0] == 200


def test_a_fault_waits_for_its_time(start: Callable[..., StandIn]) -> None:
    app = start("1.6.1", faults={"1.6.1": {"after": 60, "error_share": 1.0, "unready": True}})
    assert app.get("/version")[0] == 200
    assert app.get("/healthz")[0] == 200


def test_an_unready_version_says_so(start: Callable[..., StandIn]) -> None:
    assert start("1.6.1", faults={"1.6.1": {"unready": True}}).get("/healthz")[0] == 503


def test_only_those_who_signed_in_are_answered_and_the_audit_log_tells_of_both(start: Callable[..., StandIn]) -> None:
    endpoints = {
        "/login": {"method": "POST", "action": "login", "body": {"token": "{token}"}},
        "/me": {"token": True, "action": "profile", "body": {"name": "somebody"}},
    }
    app = start(endpoints=endpoints)
    assert app.get("/login")[0] == 405
    token = json.loads(app.ask("POST", "/login", "{}")[2])["token"]
    assert app.get("/me")[0] == 401
    assert app.ask("GET", "/me", headers={"Authorization": f"Bearer {token}"})[0] == 200
    entries = json.loads(app.get("/audit")[2])
    assert [(one["action"], one["response_status"]) for one in entries] == [
        ("login", 405),
        ("login", 200),
        ("profile", 401),
        ("profile", 200),
    ]


def test_an_entry_is_made_for_each_item_of_a_request(start: Callable[..., StandIn]) -> None:
    each = {"of": "ids", "body": {"id": "{item}", "value": 1}}
    app = start(endpoints={"/values": {"method": "POST", "each": each, "body": {"values": "{each}"}}})
    answer = json.loads(app.ask("POST", "/values", '{"ids": ["a", "b"]}')[2])
    assert answer == {"values": [{"id": "a", "value": 1}, {"id": "b", "value": 1}]}
    assert app.ask("POST", "/values", "{}")[0] == 422
    assert app.ask("POST", "/values", "no JSON")[0] == 422


def test_a_slow_version_is_slow_and_a_mute_one_has_no_metrics(start: Callable[..., StandIn]) -> None:
    app = start("1.6.5", faults={"1.6.5": {"latency": 0.3, "mute": True}})
    began = time.monotonic()
    assert app.get("/version")[0] == 200
    assert time.monotonic() - began >= 0.3
    assert app.get("/metrics")[0] == 404


def test_a_growing_version_grows(start: Callable[..., StandIn]) -> None:
    app = start("1.6.6", faults={"1.6.6": {"memory_growth": 200}})

    def memory() -> float:
        lines = app.get("/metrics")[2].decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("process_resident_memory_bytes"))

    first, deadline = memory(), time.monotonic() + 20
    while memory() < first + 50 * (1 << 20):
        assert time.monotonic() < deadline, "it never grew"


def test_a_crashing_version_ends_with_a_reason() -> None:
    process = spawn("1.6.2", {"faults": {"1.6.2": {"crash": True}}})
    _output, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "fatal: version 1.6.2" in errors


def test_a_misspelt_setting_is_refused() -> None:
    process = spawn("1.0.0", {"fault": {}})
    _output, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "fault" in errors


def test_a_part_that_is_not_there_is_refused() -> None:
    process = spawn("1.0.0", {"parts": {"web": {}}})
    _output, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "APP_PART '' is none of web" in errors


def test_leaving_finishes_what_has_begun(start: Callable[..., StandIn]) -> None:
    app = start("1.6.0")
    connection = app.connect()
    connection.request("GET", "/stream/0.5")
    answer = connection.getresponse()
    app.process.send_signal(signal.SIGTERM)
    assert len(answer.read().splitlines()) == 6
    assert app.process.wait(timeout=5) == 0


def test_leaving_still_answers_and_closes_connections(start: Callable[..., StandIn]) -> None:
    app = start("1.6.0", drain=30)
    connection = app.connect()
    app.get("/version", connection)
    app.process.send_signal(signal.SIGTERM)
    status, headers = 200, {"Connection": ""}
    while headers.get("Connection") != "close":
        status, headers, _body = app.get("/version", connection)
    assert status == 200
    assert app.get("/version")[0] == 200


def test_many_connections_at_once_are_served(start: Callable[..., StandIn]) -> None:
    app = start()
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(app.get("/version")[0])) for _try in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 100
