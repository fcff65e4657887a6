# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Forbidden, NotReady, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import HTTPROUTE, POD
from ansible_collections.runbook.release.plugins.module_utils.traffic import drain as draining
from ansible_collections.runbook.release.plugins.module_utils.traffic.drain import drain, established, target_ports
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Side

from .world import NAMESPACE, SELECTORS, World, pod, route, rule, service

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0A00000A:2694 0B00000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0A00000A:2694 0B00000A:C351 06 00000000:00000000 00:00000000 00000000     0        0 1
   2: 0A00000A:2694 0100007F:C352 01 00000000:00000000 00:00000000 00000000     0        0 1
   3: 0A00000A:C353 0B00000A:1538 01 00000000:00000000 00:00000000 00000000     0        0 1
   4: 00000000:2694 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
  sl  local_address                         remote_address                        st tx_queue
   0: 0000000000000000FFFF00000A00000A:2694 0000000000000000FFFF00000B00000A:C354 01 00000000:00000000
   1: 0000000000000000FFFF00000100007F:2694 0000000000000000FFFF00000100007F:C355 01 00000000:00000000
"""
EMPTY = TABLE.splitlines()[0]
BLUE = Side("blue", "shop-blue", service("shop-blue", SELECTORS["blue"], "1.0"))


def test_only_established_connections_from_elsewhere_to_the_port_count() -> None:
    assert established(TABLE, [0x2694]) == 2
    assert established(TABLE, [80]) == 0


def test_the_table_of_this_machine_can_be_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            table = Path("/proc/net/tcp").read_text(encoding="ascii")
    assert f":{port:04X} 00000000:0000 0A" in table
    assert established(table, [port]) == 0
    assert established(table.replace("0100007F", "0200007F"), [port]) == 1


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([{"port": 80, "targetPort": 8080}], [8080]),
        ([{"port": 80}], [80]),
        ([{"port": 80, "targetPort": "http"}], [9898]),
        ([{"port": 80, "targetPort": "unknown"}], []),
    ],
)
def test_the_ports_of_a_pod_behind_a_service(ports: list[Any], expected: list[int]) -> None:
    containers = [{"name": "sidecar"}, {"name": "app", "ports": [{"name": "http", "containerPort": 9898}]}]
    assert list(target_ports({"spec": {"ports": ports}}, {"spec": {"containers": containers}})) == expected


class Draining(World):
    """Pods that say what is in `tables`, one text for each look; an exception is raised.

    All but the first `fast` looks end by their limit, of those that `limits` has.
    """

    fast = 1000

    def __init__(self, *tables: Any) -> None:
        super().__init__(HTTPROUTE, route(rule(0, 100)))
        self.tables = list(tables)
        self.limits: list[float] = []
        BLUE.obj["spec"]["ports"] = [{"port": 0x2694}]
        running = pod("blue-1", SELECTORS["blue"])
        running["spec"] = {"containers": [{"name": "app"}]}
        self.put(POD, running)

    def exec(self, name: str, namespace: str, container: str, argv: list[str], timeout: float = 30) -> tuple[int, str]:
        self.limits.append(timeout)
        if len(self.limits) > self.fast:
            time.sleep(min(timeout, 1.0))
            raise NotReady("it did not end in time")
        table = self.tables.pop(0) if len(self.tables) > 1 else self.tables[0]
        if isinstance(table, Exception):
            raise table
        return 0, table


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "INTERVAL", 0.02)
    monkeypatch.setattr(draining, "QUIET", 0.1)


def test_it_ends_as_soon_as_nobody_is_connected() -> None:
    result = drain(Draining(TABLE, TABLE, EMPTY), NAMESPACE, BLUE, budget=30)
    assert (result.connected, result.reason) == (0, "")
    assert result.seconds < 20


def test_it_ends_with_the_budget_and_says_who_is_left() -> None:
    result = drain(Draining(TABLE), NAMESPACE, BLUE, budget=0.1)
    assert result.connected == 2
    assert result.report()["seconds"] >= 0.1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("exec failed: cat not found", "none has cat, busybox, python3"),
        (ReleaseError("cannot run cat"), "none has cat, busybox, python3"),
        (Forbidden("pods/exec is not allowed", status=403), "not allowed"),
    ],
)
def test_what_cannot_be_counted_takes_the_whole_budget(answer: Any, said: str) -> None:
    result = drain(Draining(answer), NAMESPACE, BLUE, budget=0.15)
    assert result.connected is None
    assert said in result.reason
    assert result.seconds >= 0.15


def test_the_second_reader_is_tried_where_the_first_is_missing() -> None:
    assert drain(Draining(ReleaseError("cannot run cat"), EMPTY), NAMESPACE, BLUE, budget=30).connected == 0


def many(fast: int) -> Draining:
    """Six pods with two containers each, which answer to so many looks."""
    world = Draining(TABLE)
    world.fast = fast
    for number in range(1, 7):
        running = pod(f"blue-{number}", SELECTORS["blue"])
        running["spec"] = {"containers": [{"name": "sidecar"}, {"name": "app"}]}
        world.put(POD, running)
    return world


def test_pods_that_do_not_answer_cost_no_more_than_the_budget() -> None:
    world = many(fast=3)
    result = drain(world, NAMESPACE, BLUE, budget=0.3)
    assert (result.connected, result.reason) == (None, "the time was up before all were asked")
    assert 0.3 <= result.seconds < 2
    assert max(world.limits) <= 0.3


def test_a_count_that_the_end_of_the_budget_cuts_short_is_none() -> None:
    result = drain(many(fast=8), NAMESPACE, BLUE, budget=0.5)
    assert (result.connected, result.reason) == (12, "")
    assert 0.5 <= result.seconds < 2


def test_without_old_pods_nobody_is_connected() -> None:
    world = Draining(TABLE)
    world.objects[POD].clear()
    assert drain(world, NAMESPACE, BLUE, budget=30).connected == 0


def write_witness(folder: Path, *lines: tuple[float, str]) -> None:
    (folder / "witness.json").write_text('{"spec": {"versions": ["1.0", "2.0"]}}')
    rows = [
        f"{int(at * 1000)} {int(at * 1000) + 5} new {number} 200 {version}\n"
        for number, (at, version) in enumerate(lines)
    ]
    (folder / "requests.log").write_text("".join(rows))


def test_a_witness_that_sees_no_stale_answer_ends_an_uncountable_drain(tmp_path: Path) -> None:
    now = time.time()
    write_witness(tmp_path, (now + 2, "1.0"), *((now + 0.02 * step, "2.0") for step in range(1, 500)))
    result = drain(Draining("no cat"), NAMESPACE, BLUE, 30, str(tmp_path))
    assert (result.connected, result.stale) == (None, 1)
    assert 0.1 <= result.seconds < 20


def test_a_witness_that_still_sees_the_old_version_does_not(tmp_path: Path) -> None:
    now = time.time()
    write_witness(tmp_path, *((now + 0.02 * step, "1.0") for step in range(1, 500)))
    assert drain(Draining("no cat"), NAMESPACE, BLUE, 0.4, str(tmp_path)).seconds >= 0.4
