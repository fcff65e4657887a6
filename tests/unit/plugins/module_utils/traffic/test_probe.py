# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import threading
import time
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.traffic import probe
from ansible_collections.runbook.release.plugins.module_utils.traffic.probe import Identity, Probe

JSON = Identity(json="app.version")
HEADER = Identity(header="x-version")


def headers(**values: str) -> Message:
    message = Message()
    for name, value in values.items():
        message[name] = value
    return message


@pytest.mark.parametrize(
    ("identity", "body", "version"),
    [
        (JSON, b'{"app": {"version": "1.0"}}', "1.0"),
        (JSON, b'{"app": {"version": 7}}', "7"),
        (JSON, b'{"app": {"version": null}}', ""),
        (JSON, b'{"app": {"version": ["1.0"]}}', ""),
        (JSON, b'{"app": "1.0"}', ""),
        (JSON, b"[]", ""),
        (JSON, b"<html>", ""),
        (JSON, b"\xff\xfe", ""),
        (Identity(json="version"), b'{"version": "1.0"}', "1.0"),
        (HEADER, b"", "2.0"),
        (Identity(header="x-missing"), b"", ""),
    ],
)
def test_where_an_answer_says_its_version(identity: Identity, body: bytes, version: str) -> None:
    assert identity.read(headers(**{"X-Version": "2.0"}), body) == version


@pytest.mark.parametrize("identity", [JSON, HEADER])
def test_one_request_is_one_new_connection(application: Any, identity: Identity) -> None:
    asking = Probe(identity, f"http://shop.example:{application.port}/version?full=1", "127.0.0.1")
    answers = [asking.ask() for _count in range(2)]
    assert [(one.version, one.error) for one in answers] == [("1.0", "")] * 2
    assert application.paths == ["/version?full=1"] * 2
    assert application.seen[0]["Host"] == f"shop.example:{application.port}"
    assert application.seen[0]["Connection"] == "close"
    assert answers[0].started < answers[0].ended <= answers[1].started


@pytest.mark.parametrize(
    ("status", "error"), [(500, "HTTP status 500"), (302, "HTTP status 302"), (200, "the answer names no version")]
)
def test_an_answer_that_does_not_count(application: Any, status: int, error: str) -> None:
    application.answer = lambda: (status, {"Location": "/elsewhere"}, b"{}")
    assert Probe(JSON, f"http://127.0.0.1:{application.port}/").ask().error == error


def test_a_body_is_read_to_its_limit_only(application: Any) -> None:
    application.answer = lambda: (200, {"X-Version": "1.0"}, b" " * (probe.BODY_LIMIT * 4))
    assert Probe(HEADER, f"http://127.0.0.1:{application.port}/").ask().version == "1.0"
    assert "no version" in Probe(JSON, f"http://127.0.0.1:{application.port}/").ask().error


def test_tls_is_verified_for_the_host_of_the_url(tls_application: Any, authority: Path) -> None:
    port = tls_application.port
    ca = str(authority)
    assert Probe(JSON, f"https://shop.example:{port}/", "127.0.0.1", ca).ask().version == "1.0"
    assert "CERTIFICATE_VERIFY_FAILED" in Probe(JSON, f"https://docs.example:{port}/", "127.0.0.1", ca).ask().error
    assert "CERTIFICATE_VERIFY_FAILED" in Probe(JSON, f"https://shop.example:{port}/", "127.0.0.1").ask().error


def test_a_refused_connection_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "ConnectionRefusedError" in Probe(JSON, f"http://127.0.0.1:{port}/").ask().error


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_silent_or_dripping_server_is_given_up(monkeypatch: pytest.MonkeyPatch, drip: bytes) -> None:
    monkeypatch.setattr(probe, "TIMEOUT", 0.2)
    over = threading.Event()

    def serve(server: socket.socket) -> None:
        connection, _address = server.accept()
        with connection:
            connection.sendall(drip)
            while drip and not over.wait(0.05):
                connection.sendall(b" ")
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        began = time.monotonic()
        answer = Probe(JSON, f"http://127.0.0.1:{server.getsockname()[1]}/").ask()
        over.set()
    assert answer.error == "TimeoutError: timed out"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("url", ["ftp://shop.example/", "shop.example/version", "http:///version", "http://shop:port/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="is not an http or https URL"):
        Probe(JSON, url)


def test_a_certificate_authority_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for file in (broken, tmp_path / "missing.pem"):
        with pytest.raises(Refused, match="cannot be read"):
            Probe(JSON, "https://shop.example/", "", str(file))
