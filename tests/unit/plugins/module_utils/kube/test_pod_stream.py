# SPDX-License-Identifier: GPL-3.0-or-later
"""A command's streams over a WebSocket, byte for byte; a real API server is in tests/cluster_cases."""

from __future__ import annotations

import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ApiError
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import Connection, KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.kube.pod_exec import OUTCOME, STDERR, STDOUT
from ansible_collections.runbook.release.plugins.module_utils.kube.pod_stream import FRAME, PodStream
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.exec_server import (
    SUCCESS,
    ExecServer,
    exited,
)

ALL_BYTES = bytes(range(256)) * 300


def opened(server: ExecServer) -> PodStream:
    connection = Connection(KubeAuth(host=server.url, api_key="secret"))
    return PodStream(connection, "pg-0", "shop", "postgres", ["sh", "-c", "true"])


def everything(stream: PodStream) -> dict[int, bytes]:
    heard = {STDOUT: b"", STDERR: b""}
    deadline = time.monotonic() + 20
    while not stream.ended and time.monotonic() < deadline:
        found = stream.read(1.0)
        if found:
            heard[found[0]] += found[1]
    return heard


def test_what_a_command_writes_arrives_byte_for_byte_on_its_channel() -> None:
    frames = [(STDOUT, b""), (STDOUT, ALL_BYTES), (STDERR, b"said\n"), (STDOUT, b"\xff\x00"), (OUTCOME, SUCCESS)]
    with ExecServer(frames) as server, opened(server) as stream:
        assert everything(stream) == {STDOUT: ALL_BYTES + b"\xff\x00", STDERR: b"said\n"}
        assert stream.exit_code() == 0
    assert "/api/v1/namespaces/shop/pods/pg-0/exec?" in server.asked
    for part in ("stdin=true", "container=postgres", "command=sh&command=-c&command=true"):
        assert part in server.asked


def test_what_is_written_arrives_byte_for_byte() -> None:
    data = ALL_BYTES + bytes(FRAME)
    with ExecServer([(OUTCOME, SUCCESS)], expect=len(data)) as server, opened(server) as stream:
        rest = memoryview(data)
        while rest or stream.sending:
            rest = stream.write(rest, 5.0)
        everything(stream)
    assert server.heard == data


def test_the_exit_code_of_a_command_that_failed_is_known() -> None:
    with ExecServer([(OUTCOME, exited(3))]) as server, opened(server) as stream:
        everything(stream)
        assert stream.exit_code() == 3


@pytest.mark.parametrize("abrupt", [True, False])
def test_a_connection_that_ends_before_the_command_is_no_exit_code(abrupt: bool) -> None:
    with ExecServer([(STDOUT, b"half")], abrupt=abrupt) as server, opened(server) as stream:
        assert everything(stream)[STDOUT] == b"half"
        with pytest.raises(ApiError, match="the connection ended before the command did"):
            stream.exit_code()


def test_waiting_for_bytes_ends_in_time() -> None:
    with ExecServer([], expect=1) as server, opened(server) as stream:
        begun = time.monotonic()
        assert stream.read(0.05) is None
        assert not stream.ended
        assert time.monotonic() - begun < 5
        stream.write(memoryview(b"x"), 5.0)


def test_writing_to_a_connection_that_broke_is_an_error_with_a_remedy() -> None:
    def write_on(stream: PodStream) -> None:
        for _time in range(1000):
            rest = memoryview(bytes(FRAME))
            while rest or stream.sending:
                rest = stream.write(rest, 1.0)

    with ExecServer([], abrupt=True) as server, opened(server) as stream, pytest.raises(ApiError, match="broke while"):
        write_on(stream)
