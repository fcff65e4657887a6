# SPDX-License-Identifier: GPL-3.0-or-later
"""Many workloads go to a version at once and exactly back, on a real cluster and across a SIGKILL."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict, NotReady, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CONFIGMAP,
    DAEMONSET,
    DEPLOYMENT,
    HPA,
    NAMESPACE,
    PDB,
    POD,
    STATEFULSET,
)
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Want as LockWant
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import keep
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book, Done, journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run
from ansible_collections.runbook.release.plugins.module_utils.rollout.model import Image, Strategy, Want, Waves
from ansible_collections.runbook.release.plugins.module_utils.rollout.operate import Outcome, Request, operate
from ansible_collections.runbook.release.plugins.module_utils.rollout.record import ROLLOUT
from ansible_collections.runbook.release.plugins.module_utils.rollout.source import Source

Obj = dict[str, Any]
TESTS = Path(__file__).resolve().parents[1]
MODULE = "import conftest; from ansible_collections.runbook.release.plugins.modules.rollout import main; main()"
GOOD, BETTER, MISSING = "6.9.2", "6.9.3", "0.0.0-missing"
FAIL_FAST = 15.0
SERVICES = [f"service-{number:02}" for number in range(16)]
COUNTER = itertools.count()


def workload(name: str, tag: str, kind: str = "Deployment", env: dict[str, str] | None = None, **spec: Any) -> Obj:
    container = {
        "name": "app",
        "image": f"localhost/podinfo:{tag}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898"],
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    spec |= {} if kind == "DaemonSet" else {"replicas": spec.get("replicas", 1)}
    spec |= {"serviceName": name} if kind == "StatefulSet" else {}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def configuration(name: str, value: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}}


class Recorder(Book):
    """Remembers the steps it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    @contextlib.contextmanager
    def step(self, what: str, before: Any = None, will: Any = None) -> Iterator[Done]:
        self.told.append(f"{what}: {len(before)} workloads")
        yield lambda after: self.told.append(f"{what}: done")


class Case:
    """A namespace of its own, and the module in it."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.book: Book = Recorder()

    def run(self, version: str, source: Source | None = None, check: bool = False, **more: Any) -> Outcome:
        """Released with a source, restored without one or with a policy."""
        policy, timeout = more.pop("policy", ""), more.pop("timeout", 60.0)
        state = "restored" if policy or source is None else "released"
        want = Want("shop", self.namespace, version, **more)
        request = Request(want, state, (source,) if source else (), policy or "manifests", timeout, 0.0, diff=True)
        return operate(KubeClient(self.client.auth, dry_run=True) if check else self.client, request, self.book)

    def release(self, version: str, *objects: Obj, **more: Any) -> Outcome:
        return self.run(version, Source("manifests", objects=objects), **more)

    def module(self, version: str, objects: list[Obj] | None = None, **options: Any) -> subprocess.Popen[str]:
        given = {"name": "shop", "namespace": self.namespace, "version": version, "stable": 0, **options}
        given |= {"source": {"kind": "manifests", "objects": objects}} if objects else {}
        env = {**os.environ, "PYTHONPATH": str(TESTS)}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen([sys.executable, "-c", MODULE], env=env, **pipes)
        assert process.stdin
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
        process.stdin.close()
        process.stdin = None
        return process

    def all(self) -> dict[str, Obj]:
        """Everything a release could have changed."""
        kinds = (DEPLOYMENT, STATEFULSET, DAEMONSET, CONFIGMAP)
        found = [obj for kind in kinds for obj in self.client.list(kind, self.namespace)]
        return {obj["metadata"]["name"]: obj for obj in found if obj["metadata"]["name"] != "kube-root-ca.crt"}

    def versions(self) -> dict[str, str]:
        return {
            name: json.dumps([obj["metadata"]["resourceVersion"] if "data" in obj else obj["metadata"]["generation"]])
            + str((obj["metadata"].get("annotations") or {}).get(ROLLOUT))
            for name, obj in self.all().items()
        }

    def tags(self) -> dict[str, str]:
        pods = self.client.list(POD, self.namespace)
        return {
            pod["metadata"]["labels"]["app"]: pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods
        }

    def specs(self) -> dict[str, Any]:
        return {name: obj.get("spec") or obj.get("data") for name, obj in self.all().items() if name != "rollout-shop"}


@pytest.fixture(scope="module")
def client() -> KubeClient:
    return KubeClient()


@pytest.fixture
def case(client: KubeClient) -> Iterator[Case]:
    namespace = f"rollout-case-{os.getpid()}-{next(COUNTER)}"
    client.create(NAMESPACE, {"metadata": {"name": namespace}})
    yield Case(client, namespace)
    client.delete(NAMESPACE, namespace)


def awaited(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def test_sixteen_at_once_and_exactly_those_that_changed_go_back(case: Case) -> None:
    def services(changed: list[str], tag: str) -> list[Obj]:
        return [workload(name, tag if name in changed else GOOD) for name in SERVICES]

    assert case.release("1", *services([], GOOD)).plan.changes
    assert case.tags() == dict.fromkeys(SERVICES, GOOD)

    before = case.versions()
    again = case.release("1", *services([], GOOD))
    assert (again.plan.changes, again.diff, case.versions()) == (False, [], before)

    dry = case.release("2", *services(SERVICES, BETTER), check=True)
    assert len(dry.plan.writes) == len(dry.diff) == 16
    assert case.versions() == before

    specs, eight = case.specs(), SERVICES[:8]
    failing = [
        workload(SERVICES[3], MISSING),
        *(one for one in services(eight, BETTER) if one["metadata"]["name"] != SERVICES[3]),
    ]
    started = time.monotonic()
    with pytest.raises(NotReady, match=rf"{SERVICES[3]}.*(ImagePull|ErrImage)") as failure:
        case.release("2", *failing)
    assert time.monotonic() - started < FAIL_FAST
    assert failure.value.details["evidence"]["pods"][0]["name"].startswith(SERVICES[3])

    back = case.run("2")
    assert sorted(write.key[1] for write in back.plan.writes) == eight
    after = case.versions()
    assert {name: after[name] for name in SERVICES[8:]} == {name: before[name] for name in SERVICES[8:]}
    assert (case.specs(), case.tags()) == (specs, dict.fromkeys(SERVICES, GOOD))
    assert not case.run("2").plan.changes
    assert case.versions() == after
    assert isinstance(case.book, Recorder)
    assert case.book.told[-2:] == ["unroll shop: 8 workloads", "unroll shop: done"]


def test_a_version_that_is_not_the_newest_is_not_taken_back(case: Case) -> None:
    case.release("1", configuration("settings", "one"))
    case.release("2", configuration("settings", "two"))
    before = case.versions()
    assert not case.run("1").plan.changes
    assert case.versions() == before
    case.run("2")
    assert not case.run("1").plan.changes, "one release too far"
    assert case.specs() == {"settings": {"value": "one"}}


def test_a_set_and_a_daemon_that_cannot_start_go_back(case: Case) -> None:
    def both(tag: str) -> list[Obj]:
        return [workload("queue", tag, "StatefulSet"), workload("agent", tag, "DaemonSet")]

    case.release("1", *both(GOOD))
    case.release("2", *both(BETTER))
    for version, policy in (("3", "manifests"), ("4", "revision")):
        with pytest.raises(NotReady, match=r"ImagePull|ErrImage"):
            case.release(version, *both(MISSING))
        back = case.run(version, policy=policy)
        assert case.tags() == {"queue": BETTER, "agent": BETTER}, "to the recorded revision, and no further"
        assert len(back.plan.writes) == 2


def test_a_failed_release_that_is_tried_again_still_goes_back_to_before_it(case: Case) -> None:
    case.release("1", workload("api", GOOD))
    later = workload("web", GOOD, replicas=0)
    with pytest.raises(NotReady) as failure:
        case.release("2", workload("api", MISSING), later, waves=Waves((("api",),)))
    assert (failure.value.details["not_begun"], "web" in case.all()) == (["Deployment web"], False)
    case.release("2", workload("api", BETTER, env={"MENDED": "yes"}))
    specs = case.specs()
    assert specs["api"]["template"]["spec"]["containers"][0]["env"] == [{"name": "MENDED", "value": "yes"}]
    case.run("2", policy="revision")
    assert case.tags() == {"api": GOOD}


def test_what_a_version_leaves_out_comes_back_and_can_be_left_out_again(case: Case) -> None:
    first = [configuration("settings", "old"), workload("api", GOOD, env={"OLD": "1"}, replicas=0)]
    empty = [workload(name, GOOD, replicas=0) for name in ("api", "web")]
    second = [configuration("settings", "new"), configuration("more", "1"), *empty]
    case.release("1", *first)
    specs = case.specs()
    for _attempt in range(2):
        case.release("2", *second)
        assert "env" not in case.specs()["api"]["template"]["spec"]["containers"][0]
        back = case.run("2")
        assert back.plan.left == ("ConfigMap more",)
        assert case.specs() == {**specs, "more": {"value": "1"}}
        case.client.delete(CONFIGMAP, "more", case.namespace)


def test_replicas_of_an_autoscaler_are_kept(case: Case) -> None:
    case.release("1", workload("api", GOOD, replicas=1))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    case.client.create(
        HPA,
        {"metadata": {"name": "api"}, "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3}},
        case.namespace,
    )
    case.client.scale(DEPLOYMENT, "api", 2, case.namespace)
    changed = case.release("2", workload("api", BETTER, replicas=1))
    assert case.specs()["api"]["replicas"] == 2
    assert "replicas: 1" not in changed.diff[0]["after"]
    case.run("2")
    assert (case.specs()["api"]["replicas"], case.tags()) == (2, {"api": GOOD})


def test_a_run_that_was_killed_between_two_waves_is_taken_back_by_the_next(case: Case) -> None:
    case.release("1", *(workload(name, GOOD) for name in ("proxy", "api")))
    specs, before = case.specs(), case.versions()
    waves = [["proxy"], ["Deployment/api"]]
    process = case.module("2", [workload("proxy", BETTER), workload("api", BETTER)], waves=waves)
    awaited(lambda: case.all()["proxy"]["metadata"]["generation"] == 2)
    process.kill()
    process.communicate()
    assert case.versions()["api"] == before["api"], "the second wave had not begun"
    result = json.loads(case.module("2", state="restored").communicate(timeout=60)[0])
    assert (result["changed"], [one["name"] for one in result["workloads"] if one["done"] == "restored"]) == (
        True,
        ["proxy"],
    )
    assert (case.specs(), case.versions()["api"]) == (specs, before["api"])


def test_images_are_set_with_the_strategy_and_the_previous_version_is_redeployed(case: Case) -> None:
    case.release("1", *(workload(name, GOOD) for name in ("api", "web")))
    before = case.versions()["web"]
    case.client.create(STATEFULSET, workload("queue", GOOD, "StatefulSet"), case.namespace)
    workloads = (("Deployment", "api"), ("StatefulSet", "queue"), ("Deployment", "web"))

    def image(tag: str) -> Source:
        images = tuple(Image(*key, f"localhost/podinfo:{tag}") for key in workloads)
        return Source("image", images[:2] if tag == BETTER else images)

    strategy = Strategy(max_unavailable=0, max_surge="50%")
    assert case.run("2", image(BETTER), strategy=strategy).plan.changes
    assert case.specs()["api"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": "50%"}
    assert not case.run("2", image(BETTER), strategy=strategy).plan.changes
    case.run("2", image(GOOD), policy="redeploy", check=True)
    assert case.tags()["api"] == BETTER
    case.run("2", image(GOOD), policy="redeploy")
    assert case.tags() == {"api": GOOD, "queue": GOOD, "web": GOOD}
    assert case.versions()["web"] == before


def test_what_would_harm_is_refused_before_anything_is_written(case: Case) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"a": "one"}}
    objects = [secret, workload("api", GOOD, replicas=1), workload("queue", GOOD, "StatefulSet")]
    case.release("1", *objects)
    budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": "queue"}}}
    case.client.create(PDB, {"metadata": {"name": "queue"}, "spec": budget}, case.namespace)
    before = case.versions()
    for said, changed in (
        ("Secret token would change in place", {**secret, "stringData": {"a": "two"}}),
        ("lets 0 of 1 pods of StatefulSet queue be away", workload("queue", BETTER, "StatefulSet")),
        ("it is paused", workload("api", BETTER, paused=True)),
        ("no workload is called nobody", workload("api", BETTER)),
    ):
        with pytest.raises(Refused, match=said):
            case.release("2", changed, waves=Waves((("nobody",),)) if "nobody" in said else Waves())
    assert case.versions() == before
    assert case.release("2", workload("queue", BETTER, "StatefulSet"), keep_budgets=False).warnings


def test_fields_of_another_manager_are_taken_over_only_by_force(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(configuration("settings", "one")))
    kubectl = [os.environ["KUBECTL"], "apply", "--namespace", case.namespace, "--filename", str(file)]
    subprocess.run(kubectl, check=True, capture_output=True)
    with pytest.raises(Conflict, match="kubectl"):
        case.release("1", configuration("settings", "two"))
    assert case.release("1", configuration("settings", "two"), force=True).plan.changes


def test_a_kustomization_is_built_and_released(case: Case, tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(yaml.safe_dump(workload("api", "none")))
    kustomization = {"resources": ["api.yaml"], "images": [{"name": "localhost/podinfo", "newTag": GOOD}]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    outcome = case.run("1", Source("kustomize", path=str(tmp_path)))
    assert outcome.report()["workloads"][0]["after"] == {"app": f"localhost/podinfo:{GOOD}"}
    assert case.tags() == {"api": GOOD}


def test_a_release_is_in_the_ledger_and_whoever_lost_the_lock_writes_nothing(case: Case) -> None:
    def held(by: str) -> Run:
        lock = LockWant(f"{case.namespace}/shop", "held", by, by, 30, None, True, "a test")
        after = keep(case.client, lock).after
        assert after
        return Run("shop-1", case.namespace, "shop", after.token, by)

    first = held("alice")
    with journal(case.client, first) as case.book:
        case.release("1", configuration("settings", "1"))
        case.release("2", configuration("settings", "2"))
        case.run("2")
        told = [Entry.parse(text).what for text in Store(case.client, case.namespace, "shop-1").texts()]
        assert told == [
            f"{step} shop: {moment}" for step in ("roll", "roll", "unroll") for moment in ("begins", "done")
        ]
        held("bob")
        with pytest.raises(Refused, match="bob"):
            case.release("3", configuration("settings", "3"))
    assert case.specs()["settings"] == {"value": "1"}
