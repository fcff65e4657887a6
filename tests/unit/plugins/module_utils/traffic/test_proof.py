# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotFound, NotReady
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    ENDPOINTSLICE,
    HTTPROUTE,
    POD,
    SERVICE,
)
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.observe import observe_entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.patch import Contested, decide
from ansible_collections.runbook.release.plugins.module_utils.traffic.probe import Identity, Probe
from ansible_collections.runbook.release.plugins.module_utils.traffic.prober import Terms
from ansible_collections.runbook.release.plugins.module_utils.traffic.proof import Cutover, Moment, prove

from .world import (
    NAMESPACE,
    SELECTORS,
    SERVICES,
    World,
    endpoint_slice,
    parent,
    pod,
    ref,
    route,
    rule,
    says,
    service,
    weigh,
)

TERMS = Terms(3, 0.02, 0.5)


def world_at_green() -> World:
    return World(HTTPROUTE, route(rule(0, 100)))


def run(world: World, probes: Any = (), terms: Terms = TERMS, witness: str = "", kind: str = "httproute") -> Cutover:
    state = observe_entry(world, Entry(kind, "shop", NAMESPACE), SERVICES)
    return prove(world, state, decide(state, "green", state.weights["green"]), probes, terms, Moment.now(), witness)


def not_accepted(world: World) -> None:
    world.objects[HTTPROUTE]["shop"]["status"]["parents"] = [parent(generation=0)]


def pod_not_in_endpoints(world: World) -> None:
    world.put(POD, pod("green-2", SELECTORS["green"]))


def endpoint_without_pod(world: World) -> None:
    world.put(ENDPOINTSLICE, endpoint_slice("shop-green", "green-1", "green-2"))


def no_ready_pod(world: World) -> None:
    world.put(POD, pod("green-1", SELECTORS["green"], ready="False"))
    world.put(ENDPOINTSLICE, endpoint_slice("shop-green"))


def connection_lost(world: World) -> None:
    world.lost = True


def lost_until(moment: float) -> Callable[[World], None]:
    def frame(world: World) -> None:
        world.lost = time.monotonic() < moment
        if world.lost:
            world.frames.append(frame)

    return frame


@pytest.mark.parametrize(("grace", "proven"), [(0.0, False), (30.0, True), (0.2, False)])
def test_a_release_does_not_count_the_time_the_api_server_is_away(grace: float, proven: bool) -> None:
    world, began = world_at_green(), time.monotonic()
    world.frames = [lost_until(began + 0.9)]
    terms = Terms(3, 0.02, 0.3, grace)
    if proven:
        assert run(world, terms=terms).endpoints == 1
        assert time.monotonic() - began >= 0.9
    else:
        with pytest.raises(NotReady, match="the connection to the API server is lost"):
            run(world, terms=terms)


def test_grace_is_not_for_what_is_not_proven() -> None:
    world, began = world_at_green(), time.monotonic()
    not_accepted(world)
    with pytest.raises(NotReady, match="has not looked at this generation"):
        run(world, terms=Terms(3, 0.02, 0.3, 30.0))
    assert time.monotonic() - began < 20


def test_what_the_cluster_says_is_proof_without_urls() -> None:
    cutover = run(world_at_green())
    assert cutover.report(1.5) == {
        "proven": True,
        "seconds": 1.5,
        "last_old_ms": None,
        "connections": 0,
        "failed": 0,
        "endpoints": 1,
        "urls": [],
    }


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (not_accepted, "Gateway shop/public has not looked at this generation (Accepted)"),
        (pod_not_in_endpoints, "the endpoints of Service shop-green lack pod green-2"),
        (endpoint_without_pod, "the endpoints of Service shop-green still hold green-2"),
        (no_ready_pod, "no pod of green is ready"),
        (connection_lost, "the connection to the API server is lost"),
    ],
)
def test_it_waits_for_the_cluster_and_says_what_is_missing(change: Callable[[World], None], missing: str) -> None:
    world = world_at_green()
    change(world)
    with pytest.raises(NotReady) as failure:
        run(world)
    assert missing in failure.value.details["cutover"]["missing"]
    assert missing in failure.value.what
    assert "the weights stay at blue 0/green 100" in failure.value.remedy


def test_it_is_proven_when_the_last_thing_has_come() -> None:
    world = world_at_green()
    not_accepted(world)
    world.frames = [
        lambda here: None,
        lambda here: here.objects[HTTPROUTE]["shop"]["status"].update(parents=[parent()]),
    ]
    assert run(world).endpoints == 1
    assert not world.frames


def test_a_service_entry_is_proven_by_its_own_endpoints() -> None:
    world = World(SERVICE, service("shop", SELECTORS["green"]))
    world.put(ENDPOINTSLICE, endpoint_slice("shop", "blue-1"))
    with pytest.raises(NotReady) as failure:
        run(world, kind="service")
    assert failure.value.details["cutover"]["missing"] == [
        "the endpoints of Service shop lack pod green-1",
        "the endpoints of Service shop still hold blue-1",
    ]
    world.put(ENDPOINTSLICE, endpoint_slice("shop", "green-1"))
    assert run(world, kind="service").endpoints == 1


@pytest.mark.parametrize("blue", [60, 100])
def test_weights_somebody_changes_during_the_proof_fail_it_with_their_name(blue: int) -> None:
    world = world_at_green()
    not_accepted(world)
    world.frames = [lambda here: None, weigh(blue, "argocd-controller")]
    with pytest.raises(Contested, match="argocd-controller") as contested:
        run(world)
    assert contested.value.details["weights"]["blue"] == blue


def test_colours_taken_out_of_the_entry_during_the_proof_fail_it() -> None:
    world = world_at_green()
    not_accepted(world)
    world.frames = [
        lambda here: None,
        lambda here: here.objects[HTTPROUTE]["shop"]["spec"].update(rules=[{"backendRefs": [ref("docs")]}]),
    ]
    with pytest.raises(Contested, match="docs"):
        run(world)


def test_an_entry_deleted_during_the_proof_fails_it() -> None:
    world = world_at_green()
    not_accepted(world)
    world.frames = [lambda here: None, lambda here: here.objects[HTTPROUTE].clear()]
    with pytest.raises(NotFound, match="was deleted during the step"):
        run(world)


def probe_of(application: Any) -> list[Probe]:
    return [Probe(Identity(header="x-version"), f"http://127.0.0.1:{application.port}/")]


def test_new_connections_prove_the_version(application: Any) -> None:
    application.answer = lambda: says("2.0" if len(application.seen) > 10 else "1.0")
    cutover = run(world_at_green(), probe_of(application), Terms(3, 0.02, 20))
    assert cutover.last_old_ms is not None
    assert cutover.last_old_ms > 0
    assert cutover.connections >= 13


def test_the_old_version_answering_is_no_proof(application: Any) -> None:
    with pytest.raises(NotReady, match=r"0 of 3 new connections in a row, none answered by 2\.0"):
        run(world_at_green(), probe_of(application))


def test_while_both_have_weight_both_may_answer(application: Any) -> None:
    application.answer = lambda: says("2.0" if len(application.seen) == 5 else "1.0")
    cutover = run(World(HTTPROUTE, route(rule(95, 5))), probe_of(application), Terms(3, 0.02, 20))
    assert cutover.urls[0]["versions"]["2.0"] == 1
    assert cutover.last_old_ms is None


def write_witness(folder: Path, *outcomes: str, version: str = "2.0") -> str:
    soon = int(time.time() * 1000) + 60_000
    (folder / "witness.json").write_text('{"spec": {"versions": ["1.0", "2.0"]}}')
    lines = [f"{soon} {soon + 5} new {number} {outcome} {version}\n" for number, outcome in enumerate(outcomes)]
    (folder / "requests.log").write_text("".join(lines))
    return str(folder)


def test_a_witness_without_failures_completes_the_proof(tmp_path: Path) -> None:
    assert run(world_at_green(), witness=write_witness(tmp_path, "200", "200")).endpoints == 1


def test_a_failure_the_witness_saw_ends_the_proof_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NotReady, match="The witness saw 1 of 2 requests fail since the patch"):
        run(world_at_green(), terms=Terms(3, 0.02, 60), witness=write_witness(tmp_path, "200", "503", version="-"))
    assert time.monotonic() - began < 10


def test_errors_of_the_target_itself_are_left_to_the_gate(tmp_path: Path) -> None:
    assert run(world_at_green(), witness=write_witness(tmp_path, "200", "500", version="2.0")).endpoints == 1


def test_errors_of_the_other_version_end_the_proof(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="The witness saw 1 of 1 requests fail"):
        run(world_at_green(), terms=Terms(3, 0.02, 60), witness=write_witness(tmp_path, "500", version="1.0"))


def test_a_silent_witness_is_no_witness(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="has recorded no request since the patch"):
        run(world_at_green(), witness=write_witness(tmp_path))
