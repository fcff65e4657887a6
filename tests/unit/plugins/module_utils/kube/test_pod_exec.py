# SPDX-License-Identifier: GPL-3.0-or-later
"""How long opening an exec may take: faults a real API server cannot be made to show on demand."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from importlib import import_module

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Unreachable
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import Connection, KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.kube.faults import Asked
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import POD
from ansible_collections.runbook.release.plugins.module_utils.kube.pod_exec import (
    OUTCOME,
    STDOUT,
    open_exec,
    run_in_pod,
)
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.exec_server import SUCCESS, ExecServer

LIBRARY = "kubernetes.stream.ws_client"
ASKED = Asked("exec into", POD, "shop", "web-1")


@contextlib.contextmanager
def silent_server(seconds: float) -> Iterator[int]:
    """The port of one that accepts a connection, and hangs up after so many seconds without a word."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _address = listener.accept()
            with connection:
                done.wait(seconds)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join(10)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_api_server_that_accepts_and_never_answers_is_not_waited_for_for_ever(scheme: str) -> None:
    with silent_server(8) as port:
        connection = Connection(KubeAuth(host=f"{scheme}://127.0.0.1:{port}", api_key="x", validate_certs=False))
        import_module(LIBRARY)
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="cannot exec into Pod shop/web-1: no answer from"):
            run_in_pod(connection, "web-1", "shop", "web", ["true"], 0.3)
        assert time.monotonic() - begun < 5


def test_a_command_that_does_not_end_is_left_at_once() -> None:
    with ExecServer([], stalls=True) as server:
        connection = Connection(KubeAuth(host=server.url, api_key="x"))
        import_module(LIBRARY)
        begun = time.monotonic()
        with pytest.raises(NotReady, match=r"sleep did not end within 0\.3 s"):
            run_in_pod(connection, "web-1", "shop", "web", ["sleep", "100"], 0.3)
        assert time.monotonic() - begun < 2.5


def test_what_may_be_read_later_is_not_bound_by_the_time_for_opening() -> None:
    with ExecServer([(STDOUT, b"late"), (OUTCOME, SUCCESS)], expect=1) as server:
        connection = Connection(KubeAuth(host=server.url, api_key="x"))
        stream = open_exec(connection, ASKED, "web", ["cat"], stdin=True, timeout=0.3)
        threading.Timer(1.0, stream.write_channel, (0, b"x")).start()
        _code, frame = stream.sock.recv_data_frame(True)
        assert frame.data == bytes([STDOUT]) + b"late"
        stream.close(timeout=0)


def test_the_library_opens_for_others_as_ever() -> None:
    with ExecServer([(OUTCOME, SUCCESS)]) as server:
        connection = Connection(KubeAuth(host=server.url, api_key="x"))
        assert run_in_pod(connection, "web-1", "shop", "web", ["true"], 5.0) == (0, "")
    with ExecServer([]) as server:
        opened = import_module(LIBRARY).create_websocket(connection.configuration, server.url.replace("http", "ws"))
        assert opened.sock.gettimeout() is None
        opened.close(timeout=0)
