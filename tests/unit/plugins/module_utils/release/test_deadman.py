# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import copy
import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import HTTPROUTE, LEASE, ROLE, SERVICE
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import decide as decide_lock
from ansible_collections.runbook.release.plugins.module_utils.lock.record import Record
from ansible_collections.runbook.release.plugins.module_utils.release import deadman_job as job
from ansible_collections.runbook.release.plugins.module_utils.release import pod_api
from ansible_collections.runbook.release.plugins.module_utils.release.deadman import Man, namespaces_of, way_back
from ansible_collections.runbook.release.plugins.module_utils.release.pod_program import PLAN, Image
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.observe import observe_entry
from ansible_collections.runbook.release.plugins.module_utils.traffic.patch import decide
from ansible_collections.runbook.release.plugins.module_utils.traffic.state import EntryState

from ..traffic.world import SELECTORS, SERVICES, World, apply_ops, ref, route, rule, service

Obj = dict[str, Any]
TOKEN = 7
BEGAN = datetime(2026, 11, 21, 16, 0, 0, tzinfo=UTC)
RUN = Run("shop-2", "shop", "shop-prod", TOKEN, "alice@a", 60)
ROUTE_PATH = HTTPROUTE.path("shop", "shop")
LEASE_PATH = LEASE.path("shop", "shop-prod")


def world(*rules: Obj) -> World:
    return World(HTTPROUTE, route(*(rules or [rule(100, 0)])))


def seen(world: World, kind: str = "httproute") -> EntryState:
    return observe_entry(world, Entry(kind, "shop", "shop"), SERVICES)  # type: ignore[arg-type]


def man(state: EntryState, version: str = "", **more: Any) -> Man:
    found = way_back(state, version)
    assert found
    return Man(RUN, [found], Image("registry/python:3", **more))


def shift(world: World, weight: int, fence: int = TOKEN, kind: str = "httproute") -> None:
    """A step of the release, as `traffic_switch` takes it."""
    stored = HTTPROUTE if kind == "httproute" else SERVICE
    world.json_patch(stored, "shop", decide(seen(world, kind), "green", weight, fence=fence).ops)


class Cluster:
    """What the dead man sees of a cluster: objects by their paths, a clock, and answers that fail."""

    def __init__(self, world: World, lease: Record, path: str = ROUTE_PATH, kind: Any = HTTPROUTE) -> None:
        self.world, self.path, self.kind = world, path, kind
        self.lease = apply_lease(lease)
        self.now = BEGAN.timestamp()
        self.failing: list[pod_api.Failure] = []
        self.before_patch = lambda: None

    def get(self, path: str) -> tuple[Obj, float]:
        if self.failing:
            raise self.failing.pop(0)
        if path == LEASE_PATH:
            return copy.deepcopy(self.lease), self.now
        assert path == self.path
        return self.world.get(self.kind, "shop") or {}, self.now

    def patch(self, path: str, ops: list[Obj], dry: bool = False) -> None:
        self.before_patch()
        self.before_patch = lambda: None
        obj = self.get(path)[0]
        try:
            changed = apply_ops(obj, ops)
        except (KeyError, ValueError):
            raise pod_api.Failure("a test failed", 422) from None
        if dry:
            return
        changed["metadata"]["resourceVersion"] += "1"
        if path == LEASE_PATH:
            self.lease = changed
        else:
            self.world.put(self.kind, changed)

    def expire(self) -> None:
        self.now += 61


def apply_lease(record: Record) -> Obj:
    lease = record.body("shop-prod")
    lease["metadata"] |= {"namespace": "shop", "resourceVersion": "1"}
    return lease


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job.time, "sleep", lambda seconds: None)


def held(holder: str = "alice@a", token: int = TOKEN) -> Record:
    return Record(holder, token, "claim", 60, BEGAN, BEGAN)


def in_shift(weight: int = 25) -> tuple[Cluster, Obj]:
    """A release that has shifted, and the plan its dead man was given before."""
    one = world()
    plan = man(seen(one)).plan
    shift(one, weight)
    return Cluster(one, held()), plan


@pytest.mark.parametrize("weight", [5, 25, 100])
def test_a_dead_release_gets_its_traffic_back(weight: int, capsys: pytest.CaptureFixture[str]) -> None:
    cluster, plan = in_shift(weight)
    cluster.expire()
    assert job.watch(cluster, plan) == 0
    after = seen(cluster.world)
    assert (after.weights, after.live) == ({"blue": 100, "green": 0}, "blue")
    assert after.obj["metadata"]["annotations"][job.FENCE] == str(TOKEN + 1)
    assert "was found dead; its traffic is back" in capsys.readouterr().out


def test_the_lease_reads_like_any_takeover() -> None:
    cluster, plan = in_shift()
    cluster.expire()
    job.watch(cluster, plan)
    after = Record.of(cluster.lease)
    now = datetime.fromtimestamp(cluster.now, UTC)
    by_hand = decide_lock(held(), Want("shop/shop-prod", "held", "dead-man shop-2", "x"), now).after
    assert by_hand
    assert (after.token, after.taken_over, after.ttl) == (by_hand.token, by_hand.taken_over, 60)
    assert (after.since, after.renewed) == (by_hand.since, by_hand.renewed)
    assert after.holder == ""
    with pytest.raises(Refused, match="is stale"):
        decide_lock(after, Want("shop/shop-prod", "renewed", "alice@a", "claim", token=TOKEN), now)


def test_the_step_of_a_run_that_wakes_up_is_refused() -> None:
    cluster, plan = in_shift()
    late = decide(seen(cluster.world), "green", 100, fence=TOKEN)
    cluster.expire()
    job.watch(cluster, plan)
    with pytest.raises(ValueError, match=r"weight|annotations"):
        apply_ops(cluster.world.get(HTTPROUTE, "shop") or {}, late.ops)
    with pytest.raises(Refused, match="stale"):
        decide(seen(cluster.world), "green", 100, fence=TOKEN)


@pytest.mark.parametrize("seconds", [0, 30, 60])
def test_a_lock_within_its_time_is_waited_for(seconds: int) -> None:
    cluster, plan = in_shift()
    assert job.judge(cluster.lease, plan, cluster.now + seconds)[0] == job.WAIT
    assert Record.of(cluster.lease).expired(datetime.fromtimestamp(cluster.now + seconds, UTC)) is False


@pytest.mark.parametrize(
    ("lease", "said"),
    [
        (held(holder=""), "the lock was released"),
        (held(holder="bob@b", token=TOKEN + 1), "acquired anew with token 8 by bob@b"),
        (held(holder="", token=TOKEN + 1), "acquired anew with token 8"),
    ],
)
def test_it_leaves_when_it_is_not_needed(lease: Record, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    cluster, plan = in_shift()
    cluster.lease = apply_lease(lease)
    cluster.expire()
    before = copy.deepcopy(cluster.lease)
    assert job.watch(cluster, plan) == 0
    assert (seen(cluster.world).weights["green"], cluster.lease) == (25, before)
    assert said in capsys.readouterr().out


def test_a_lease_that_is_gone_ends_it() -> None:
    cluster, plan = in_shift()
    cluster.failing = [pod_api.Failure("gone", 404)]
    assert job.watch(cluster, plan) == 0


def test_a_renewal_in_the_last_moment_wins(capsys: pytest.CaptureFixture[str]) -> None:
    cluster, plan = in_shift()
    cluster.expire()

    def renew() -> None:
        cluster.lease["metadata"]["resourceVersion"] += "1"
        cluster.lease["spec"]["holderIdentity"] = ""

    cluster.before_patch = renew
    assert job.watch(cluster, plan) == 0
    assert (seen(cluster.world).weights["green"], Record.of(cluster.lease).token) == (25, TOKEN)


def test_an_api_server_that_is_away_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    cluster, plan = in_shift()
    cluster.expire()
    cluster.failing = [pod_api.Failure("connection refused")] * 3
    assert job.watch(cluster, plan) == 0
    assert seen(cluster.world).weights["green"] == 0
    assert capsys.readouterr().out.count("connection refused") == 1


def test_a_lock_that_cannot_be_taken_is_not_hammered(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(job.time, "sleep", pauses.append)
    cluster, plan = in_shift()
    cluster.failing = [pod_api.Failure("the patch is refused", 422)] * 3 + [pod_api.Failure("gone", 404)]
    assert job.watch(cluster, plan) == 0
    assert pauses == [15.0] * 3


def test_what_was_begun_is_finished_after_a_restart() -> None:
    cluster, plan = in_shift()
    cluster.expire()
    lease, now = cluster.get(LEASE_PATH)
    cluster.patch(LEASE_PATH, job.takeover(lease, plan, now))
    assert job.watch(cluster, plan) == 0
    assert (seen(cluster.world).weights["green"], Record.of(cluster.lease).holder) == (0, "")


def test_an_entry_that_cannot_be_written_is_tried_again_by_the_next_container() -> None:
    cluster, plan = in_shift()
    cluster.expire()
    cluster.get(LEASE_PATH)
    lease, now = cluster.get(LEASE_PATH)
    cluster.patch(LEASE_PATH, job.takeover(lease, plan, now))
    cluster.failing = [pod_api.Failure("busy", 500)] * pod_api.ATTEMPTS
    assert job.end(cluster, plan) == 1
    assert Record.of(cluster.lease).holder == "dead-man shop-2"
    assert job.watch(cluster, plan) == 0
    assert seen(cluster.world).weights["green"] == 0


def by_hand(cluster: Cluster, *ops: Obj) -> None:
    cluster.world.put(HTTPROUTE, apply_ops(cluster.world.get(HTTPROUTE, "shop") or {}, list(ops)))


@pytest.mark.parametrize(
    ("ops", "said"),
    [
        ([{"op": "add", "path": "/spec/rules/0/backendRefs/1/weight", "value": 400}], "somebody else moved"),
        ([{"op": "replace", "path": "/spec/rules/0/backendRefs/0/name", "value": "mine"}], "changed its rules"),
        ([{"op": "add", "path": pod_api.mark_path(job.FENCE), "value": "8"}], "newer token, 8"),
        ([{"op": "add", "path": pod_api.mark_path(job.SHIFT), "value": "{}"}], "somebody else moved"),
        ([{"op": "replace", "path": "/spec/rules/0/backendRefs", "value": [ref("shop-blue", 1)]}], "changed its rules"),
    ],
)
def test_what_somebody_else_did_is_left_alone(ops: list[Obj], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    cluster, plan = in_shift()
    by_hand(cluster, *ops)
    before = cluster.world.get(HTTPROUTE, "shop")
    cluster.expire()
    assert job.watch(cluster, plan) == 0
    assert cluster.world.get(HTTPROUTE, "shop") == before
    assert said in capsys.readouterr().out


def test_nothing_is_written_to_an_entry_that_was_not_shifted(capsys: pytest.CaptureFixture[str]) -> None:
    one = world()
    cluster, plan = Cluster(one, held()), man(seen(one)).plan
    cluster.expire()
    assert job.watch(cluster, plan) == 0
    assert "annotations" not in one.objects[HTTPROUTE]["shop"]["metadata"]


def test_an_entry_that_is_a_service() -> None:
    one = World(SERVICE, service("shop", SELECTORS["blue"]))
    plan = man(seen(one, "service")).plan
    shift(one, 100, kind="service")
    cluster = Cluster(one, held(), SERVICE.path("shop", "shop"), SERVICE)
    cluster.expire()
    assert job.watch(cluster, plan) == 0
    assert one.objects[SERVICE]["shop"]["spec"]["selector"] == SELECTORS["blue"]


def test_every_rule_gets_its_weights_back_and_back_ends_of_others_keep_theirs() -> None:
    one = world(rule(100, 0), rule(40, 0, ref("docs", 60)))
    plan = man(seen(one)).plan
    shift(one, 25)
    cluster = Cluster(one, held())
    cluster.expire()
    job.watch(cluster, plan)
    rules = one.objects[HTTPROUTE]["shop"]["spec"]["rules"]
    assert [[back["weight"] for back in rule["backendRefs"]] for rule in rules] == [[100, 0], [40, 0, 60]]


@pytest.mark.parametrize(("version", "colour"), [("2.0", "blue"), ("3.0", "green"), ("", "green")])
def test_a_release_that_is_resumed_after_its_shift_still_goes_back(version: str, colour: str) -> None:
    one = world()
    shift(one, 100)
    assert man(seen(one), version).returns[0].colour == colour


def test_a_release_that_is_resumed_in_its_shift_goes_back_to_where_it_began() -> None:
    one = world()
    shift(one, 25)
    assert man(seen(one)).returns[0].report() == {
        "entry": "httproute shop/shop",
        "colour": "blue",
        "weights": {"blue": 100, "green": 0},
    }


def test_nothing_to_shift_is_nothing_to_give_back() -> None:
    one = world()
    del one.objects[SERVICE]["shop-green"]
    assert way_back(seen(one)) is None


def test_an_entry_without_a_live_colour_is_refused() -> None:
    with pytest.raises(Refused, match="No colour of the entry is live"):
        way_back(seen(world(rule(50, 50))))


def test_the_job_may_do_what_it_has_to_and_nothing_else() -> None:
    found = man(seen(world()))
    roles = [body for kind, body, _namespace in found.program.objects() if kind is ROLE]
    assert [role["rules"] for role in roles] == [
        [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["shop-prod"]}
            | {"verbs": ["get", "patch"]},
            {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "resourceNames": ["shop"]}
            | {"verbs": ["get", "patch"]},
        ]
    ]


def test_an_entry_elsewhere_gets_a_role_there() -> None:
    one = world()
    state = observe_entry(one, Entry("httproute", "shop", "front"), SERVICES)  # type: ignore[arg-type]
    found = man(state)
    assert found.namespaces == {"shop", "front"}
    config = {"data": found.program.data}
    assert set(namespaces_of(config)) == {"front"}
    assert set(namespaces_of(None)) == set()


def test_another_run_or_image_is_another_job() -> None:
    state = seen(world())
    assert man(state).program.digest == man(state).program.digest
    others = {one.program.digest for one in (man(state), man(state, user=0), man(state, pull_policy="Never"))}
    later = Man(Run("shop-2", "shop", "shop-prod", 8, "bob@b"), man(state).returns, man(state).image)
    assert len(others | {later.program.digest}) == 4
    assert "runAsUser" not in man(state, user=0).program.job()["spec"]["template"]["spec"]["securityContext"]


def imports(text: str) -> set[tuple[int, str]]:
    """How far up, and what."""
    found: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(text, feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name.split(".")[0]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.level, str(node.module) if node.level else str(node.module).partition(".")[0]))
    return found


def test_the_program_runs_with_nothing_but_an_old_python_and_its_own_files() -> None:
    data = man(seen(world())).program.data
    files = {name: text for name, text in data.items() if name.endswith(".py")}
    assert set(files) == {"program.release.pod_api.py", "program.release.deadman_job.py"}
    for text in files.values():
        assert imports(text) <= {(0, name) for name in sys.stdlib_module_names} | {(1, "pod_api")}
    assert json.loads(data[PLAN])["token"] == TOKEN


def test_the_rehearsal_writes_nothing_and_says_what_is_forbidden(capsys: pytest.CaptureFixture[str]) -> None:
    cluster, plan = in_shift()
    before = copy.deepcopy(cluster.lease)
    assert pod_api.rehearse(cluster, job.written(plan)) == 0
    assert cluster.lease == before
    cluster.failing = [pod_api.Failure("PATCH: 403 forbidden", 403)] * pod_api.ATTEMPTS
    assert pod_api.rehearse(cluster, job.written(plan)) == 1
    assert "403" in capsys.readouterr().out
