# SPDX-License-Identifier: GPL-3.0-or-later
"""A CronJob and a worker belong to the live version: by Helm 3 and 4, and in a release that is killed and goes back."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady
from ansible_collections.runbook.release.plugins.module_utils.helm.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Target, observe
from ansible_collections.runbook.release.plugins.module_utils.helm.operate import Outcome, Request, operate
from ansible_collections.runbook.release.plugins.module_utils.helm.source import Source
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CRONJOB,
    DEPLOYMENT,
    EVENT,
    HTTPROUTE,
    JOB,
    NAMESPACE,
    POD,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.release.index import read
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell
from ansible_collections.runbook.release.plugins.module_utils.witness.run import Witness
from ansible_collections.runbook.release.tests.chaos.operators import LONGEST_RUN, Operator

from .test_helm_bluegreen import helm_3, helm_4

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
COUNTER = itertools.count()
HOST = "hand-over.release.local"
ENTRY = {"kind": "httproute", "name": "shop"}
OLD, NEW = "6.9.2", "6.9.3"
PATIENCE = 60.0
Obj = dict[str, Any]


def container(tag: str, **more: Any) -> Obj:
    return {
        "name": "app",
        "image": f"localhost/podinfo{tag}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898"],
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
        **more,
    }


def workload(name: str, tag: str, **more: Any) -> Obj:
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container(tag, **more)]}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def shop(name: str = "shop", tag: str = "") -> str:
    """What serves, a consumer of a queue, and a job of the night."""
    probe = {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1, "timeoutSeconds": 10}
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container(tag)]}
    nightly = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}
    ports = [{"port": 9898, "targetPort": 9898}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    cron_job = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": f"{name}-nightly"}, "spec": nightly}
    objects = [
        workload(name, tag, readinessProbe=probe),
        workload(f"{name}-mailer", tag),
        {**service, "spec": {"selector": {"app": name}, "ports": ports}},
        cron_job,
    ]
    return str(yaml.safe_dump_all(objects))


def chart(folder: Path, version: str) -> Source:
    """The same as a chart, which Helm renders by itself."""
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": "shop", "version": "1.0.0"}))
    (folder / "templates" / "shop.yaml").write_text(shop("{{ .Release.Name }}", ":{{ .Values.tag }}"))
    return Source("helm", chart=str(folder), image="localhost/podinfo", values={"tag": version})


def route(blue: int, host: str) -> Obj:
    shift = {"from": "green" if blue else "blue", "to": "blue" if blue else "green"}
    weights = {"shop-blue": blue, "shop-green": 100 - blue}
    return {
        "metadata": {"name": "shop", "annotations": {"runbook.release/shift": json.dumps(shift)}},
        "spec": {
            "parentRefs": [{"name": "public", "namespace": "default"}],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": name, "port": 9898, "weight": one} for name, one in weights.items()]}],
        },
    }


class Shop:
    """A namespace of its own, and the component in it."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.client, self.namespace, self.folder = KubeClient(), namespace, folder
        self.target = Target.of({"name": "shop", "namespace": namespace, "entry": ENTRY})
        self.host = f"{namespace}.{HOST}"
        self.helm = os.environ["HELM"]

    def point(self, blue: int) -> None:
        self.client.apply(HTTPROUTE, route(blue, self.host), self.namespace, force=True)

    def run(self, state: str, version: str = "", source: Source | None = None, **more: Any) -> Outcome:
        want = Want(state, version, **{"timeout": 90, "now": time.time(), **more})
        workers = (("Deployment", "shop-mailer"),) if source else ()
        return operate(self.client, Request(self.target, want, source, 1, self.helm, workers=workers))

    def working(self) -> dict[str, list[str]]:
        """What works in each colour."""
        have = observe(self.client, self.target)
        return {colour: [one.title for one in have.workers(colour) if one.works] for colour in have.colours}

    def nightly(self, colour: str) -> Obj:
        """A Job of the CronJob that does not end by itself."""
        found = next(one for one in self.client.list(CRONJOB, self.namespace) if colour in one["metadata"]["name"])
        owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": found["metadata"]["name"], "controller": True}
        metadata = {"name": "tonight", "ownerReferences": [{**owner, "uid": found["metadata"]["uid"]}]}
        job = {"metadata": metadata, "spec": found["spec"]["jobTemplate"]["spec"]}
        return self.client.create(JOB, job, self.namespace)

    def started(self, workload: str) -> list[str]:
        """How often a Deployment was given pods."""
        events = self.client.list(EVENT, self.namespace, fields=f"involvedObject.name={workload}")
        return [one["message"] for one in events if "Scaled up" in one["message"]]

    def wait_until_resting(self, workload: str, operator: Operator) -> None:
        watched = Watch(DEPLOYMENT, self.namespace)
        for snapshot in self.client.watch([watched], time.monotonic() + LONGEST_RUN, tick=1):
            assert not operator.ended, operator.said[-6000:]
            if not snapshot.objects[DEPLOYMENT][workload]["spec"]["replicas"]:
                return

    @contextmanager
    def mailers(self) -> Iterator[set[frozenset[str]]]:
        """Which colours had mailers at the same time during the block, also such as were ending."""
        seen: set[frozenset[str]] = set()
        over, first = threading.Event(), threading.Event()

        def look() -> None:
            watched = Watch(POD, self.namespace)
            for snapshot in KubeClient().watch([watched], time.monotonic() + PATIENCE, tick=0.2):
                names = [name for name in snapshot.objects[POD] if "-mailer-" in name]
                seen.add(frozenset(colour for colour in ("blue", "green") for name in names if f"-{colour}-" in name))
                first.set()
                if over.is_set():
                    return

        thread = threading.Thread(target=look)
        thread.start()
        try:
            assert first.wait(PATIENCE)
            yield seen
        finally:
            over.set()
            thread.join()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(f"hand-over-{os.getpid()}-{next(COUNTER)}", tmp_path)
    made.client.create(NAMESPACE, {"metadata": {"name": made.namespace}})
    made.point(100)
    try:
        yield made
    finally:
        made.client.delete(NAMESPACE, made.namespace)


BLUE = {"blue": ["Deployment shop-blue-mailer", "CronJob shop-blue-nightly"], "green": []}
GREEN = {"blue": [], "green": ["Deployment shop-green-mailer", "CronJob shop-green-nightly"]}


@pytest.mark.parametrize("helm", [helm_3, helm_4])
def test_what_a_chart_brings_rests_until_its_version_is_live(empty: Shop, helm: Callable[[], str]) -> None:
    system = empty
    system.helm = helm()
    first = system.run("staged", OLD, chart(system.folder, OLD))
    assert "at rest: Deployment shop-blue-mailer, CronJob shop-blue-nightly" in " ".join(first.plan.sentences())
    assert (system.working(), system.started("shop-blue-mailer")) == ({"blue": [], "green": []}, [])
    assert len(system.started("shop-blue")) == 1
    if helm is helm_4:
        return
    assert system.run("handed_over").changed
    assert system.working() == BLUE

    assert system.run("staged", NEW, chart(system.folder, NEW)).changed
    assert not system.run("staged", NEW, chart(system.folder, NEW)).changed
    assert not system.run("handed_over").changed
    assert (system.working(), system.started("shop-green-mailer")) == (BLUE, [])

    system.point(0)
    system.nightly("blue")
    with system.mailers() as seen:
        with pytest.raises(NotReady, match=r"blue still works after 2 s: Job tonight"):
            system.run("handed_over", timeout=2)
        assert system.working() == {"blue": [], "green": []}
        system.client.delete(JOB, "tonight", system.namespace)
        assert system.run("handed_over").changed
    assert system.working() == GREEN
    assert not system.run("handed_over").changed
    assert seen <= {frozenset({"blue"}), frozenset(), frozenset({"green"})}

    system.point(100)
    assert system.run("warm").plan.steps == ()
    assert system.run("handed_over").changed
    assert system.working() == BLUE
    system.run("retired")
    assert system.run("staged", NEW, chart(system.folder, NEW)).changed
    assert (system.working(), len(system.started("shop-green-mailer"))) == (BLUE, 1)


def variables(system: Shop) -> Obj:
    url = f"http://{system.host}:{os.environ['GATEWAY_HTTP_PORT']}/version"
    measured = {"kind": "command", "command": ["cat", str(system.folder / "measured.json")]}
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "release_system": "shop",
        "release_environment": "case",
        "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": system.namespace},
        "release_components": [
            {
                "name": "shop",
                "source": {"kind": "manifests", "path": str(system.folder / "shop.yaml"), "image": "localhost/podinfo"},
                "workers": [{"name": "shop-mailer"}],
                "hand_over": {"timeout": 120},
                "entry": ENTRY,
                "port": 9898,
                "urls": [{"url": url, "address": os.environ["GATEWAY_ADDRESS"]}],
                "identity": {"json": "version"},
            }
        ],
        "release_shift": {"steps": [100], "hold": 0},
        "release_witness": {"rate": 20, "samples": 5},
        "release_gates": {"live": [{"name": "lost mails", "source": measured, "select": "lost", "expect": "== 0"}]},
        "release_record": str(system.folder / "records"),
    }


def deploy(system: Shop, version: str, **more: Any) -> Operator:
    inventory, log = system.folder / "inventory.json", system.folder / f"{time.time_ns()}.log"
    inventory.write_text(json.dumps({"all": {"hosts": {"shop": {**variables(system), **more}}}}))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / "deploy.yml")]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, f"--inventory={inventory}", f"--extra-vars=release_version={version}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    return Operator(process, time.monotonic(), log)


def whats(system: Shop) -> list[str]:
    """The ledger of the newest release, as far as it is about the work."""
    releases = tell(system.client, system.namespace, "shop-case")
    newest = releases["unfinished"] or releases["releases"][-1]
    found = [entry.what for entry in read(Store(system.client, system.namespace, newest["release"]))]
    return [what for what in found if what.startswith(("switch", "hand over", "gate live", "retire"))]


def test_a_release_that_is_killed_in_its_hand_over_goes_on_with_it_and_hands_back_what_its_gate_refuses(
    empty: Shop,
) -> None:
    system = empty
    (system.folder / "shop.yaml").write_text(shop())
    (system.folder / "measured.json").write_text('{"lost": 1}')
    source = Source("manifests", path=str(system.folder / "shop.yaml"), image="localhost/podinfo")
    system.run("staged", OLD, source)
    system.run("handed_over")
    live = {"blue": ["Deployment shop-mailer-blue", "CronJob shop-nightly-blue"], "green": []}
    assert system.working() == live

    system.nightly("blue")
    operator = deploy(system, NEW)
    try:
        system.wait_until_resting("shop-mailer-blue", operator)
        assert whats(system)[-1] == "hand over shop: begins"
        operator.kill()
        system.client.delete(JOB, "tonight", system.namespace)
        again = deploy(system, NEW, release_takeover=True, release_reason="killed")
        assert again.wait() != 0
    finally:
        for description in system.folder.glob("records/*/*/witness/*/witness.json"):
            Witness(description.parent).stop()
    assert "lost mails: lost is 1, expected == 0" in again.said
    assert system.working() == live, again.said
    assert len(system.started("shop-mailer-green")) == 1, "after the hand-over, and never before"
    assert whats(system) == [
        *("switch shop to 100: begins", "switch shop to 100: done", "hand over shop: begins"),
        *("switch shop to 100: begins", "switch shop to 100: done", "hand over shop: begins", "hand over shop: done"),
        "gate live shop",
        *("switch shop back: begins", "switch shop back: done"),
        *("hand over shop: begins", "hand over shop: done", "retire shop: begins", "retire shop: done"),
    ]
