# SPDX-License-Identifier: GPL-3.0-or-later
"""Two components roll in their order under load, go back when the gate fails, and go on after a death between waves.

The cases are one story: each begins with what the one before it left.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import DEPLOYMENT, HTTPROUTE, NAMESPACE, POD
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.release.index import Attempt, Index, read
from ansible_collections.runbook.release.plugins.module_utils.release.machine import Path as Way
from ansible_collections.runbook.release.plugins.module_utils.release.register import index_of
from ansible_collections.runbook.release.plugins.module_utils.rollout.shape import bare
from ansible_collections.runbook.release.plugins.module_utils.witness.run import Witness
from ansible_collections.runbook.release.tests.chaos.operators import Operator

ROOT = Path(__file__).resolve().parents[2]
SPACE, SYSTEM, LEASE = "rolling-case", "rolling_shop", "rolling-shop-case"
HOST = "rolling.release.local"
VERSIONS = ("6.9.2", "6.9.3", "6.9.6")
WAY = Way.rolling("rolling-shop")
PATIENCE = 300.0
WRITES = ("create", "update", "patch", "delete", "deletecollection")
Variables = dict[str, Any]


def workload(name: str, replicas: int, **more: Any) -> Variables:
    container = {
        "name": "app",
        "image": "localhost/podinfo",
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898", "--level=debug"],  # else it sleeps before it ends
        "ports": [{"name": "http", "containerPort": 9898}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "50m", "memory": "16Mi"}},  # its share where others want both cores
        **more,
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 15, "containers": [container]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def manifests() -> list[Variables]:
    ports = [{"name": "http", "port": 9898, "targetPort": "http"}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    served = {"lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}
    return [
        workload("api", 1),
        workload("web", 2, **served),
        {**service, "spec": {"selector": {"app": "web"}, "ports": ports}},
    ]


def route() -> Variables:
    rules = [{"backendRefs": [{"name": "web", "port": 9898}]}]
    parents = [{"name": "public", "namespace": "default"}]
    return {"metadata": {"name": "web"}, "spec": {"parentRefs": parents, "hostnames": [HOST], "rules": rules}}


@dataclass(frozen=True)
class System:
    """Its inventory and its manifests, in a folder of one machine; `measured` stands for what is measured of it."""

    folder: Path
    client: KubeClient

    @property
    def measured(self) -> Path:
        return self.folder / "measured.json"

    def measures(self, orders: int) -> None:
        self.measured.write_text(json.dumps({"orders": orders}))

    def variables(self) -> Variables:
        source = {"kind": "manifests", "path": str(self.folder / "shop.yml"), "image": "localhost/podinfo"}
        url = f"http://{HOST}:{os.environ['GATEWAY_HTTP_PORT']}/version"
        reached = {
            "urls": [{"url": url, "address": os.environ["GATEWAY_ADDRESS"]}],
            "identity": {"json": "version"},
            "smoke": [
                {
                    "name": "web health",
                    "source": {"kind": "service", "service": "web", "path": "/healthz"},
                    "select": "status",
                    "expect": "== 200",
                }
            ],
        }
        orders = {
            "name": "open orders",
            "source": {"kind": "command", "command": ["cat", str(self.measured)]},
            "select": "orders",
            "expect": "<= 100",
        }
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": SYSTEM,
            "release_environment": "case",
            "release_strategy": "rolling",
            "release_rolling": {"surge": "100%", "unavailable": 0, "stable": 1},
            "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": SPACE},
            "release_components": [
                {
                    "name": "web",
                    "source": source,
                    "timeout": 120,
                    "workloads": [{"name": "web"}],
                    "after": ["api"],
                    **reached,
                },
                {"name": "api", "source": source, "timeout": 120, "workloads": [{"name": "api"}]},
            ],
            "release_shift": {"hold": 1},
            "release_witness": {"rate": 40, "samples": 5},
            "release_gates": {"live": [orders]},
            "release_lift": "a test may release a version again",
            "release_record": str(self.folder / "records"),
        }

    def start(self, playbook: str, *argv: str, **more: Any) -> Operator:
        inventory, log = self.folder / "inventory.json", self.folder / f"{time.time_ns()}.log"
        inventory.write_text(json.dumps({"all": {"hosts": {SYSTEM: self.variables()}}}))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / playbook)]
        began = time.monotonic()
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [*command, f"--inventory={inventory}", f"--extra-vars={json.dumps(more)}", *argv],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        return Operator(process, began, log)

    def run(self, playbook: str, *argv: str, **more: Any) -> tuple[int, str]:
        operator = self.start(playbook, *argv, **more)
        return operator.wait(), operator.said

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return Index.of(index_of(self.client, SPACE, LEASE).entries()).attempts

    @property
    def newest(self) -> Attempt:
        return self.attempts[-1]

    def ledger(self) -> list[Entry]:
        """Of the newest release."""
        return read(Store(self.client, SPACE, self.newest.release))

    def whats(self) -> list[str]:
        return [entry.what for entry in self.ledger()]

    def record(self) -> Variables:
        """What the newest release left on this machine."""
        path = self.folder / "records" / SYSTEM / self.newest.release / "record.json"
        return dict(json.loads(path.read_text()))

    def tag(self, name: str) -> str:
        found = self.client.get(DEPLOYMENT, name, SPACE) or {}
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]

    @property
    def tags(self) -> tuple[str, str]:
        return self.tag("api"), self.tag("web")

    def objects(self) -> dict[tuple[str, str], Variables]:
        """Everything that a release of it may change, as it is; without what only servers write."""
        kinds = ("deployments", "services", "httproutes", "configmaps", "leases", "poddisruptionbudgets")
        found = json.loads(kubectl("get", ",".join(kinds), f"--namespace={SPACE}", "--output=json"))["items"]
        return {(one["kind"], one["metadata"]["name"]): bare(one) for one in found}

    def workloads(self) -> dict[str, Variables]:
        return {name: one for (kind, name), one in self.objects().items() if kind == "Deployment"}

    def pods(self, name: str) -> dict[str, Variables]:
        """Those that stay, by their uid."""
        found = self.client.list(POD, SPACE, labels=f"app={name}")
        return {str(one["metadata"]["uid"]): one for one in found if "deletionTimestamp" not in one["metadata"]}

    def another(self) -> str:
        """A version that neither component runs."""
        return next(version for version in VERSIONS if version not in self.tags)


def kubectl(*argv: str) -> str:
    return subprocess.run([os.environ["KUBECTL"], *argv], check=True, capture_output=True, text=True).stdout


@contextmanager
def audited() -> Iterator[Callable[[], list[str]]]:
    """What this account was seen to change in the namespace since the block began; a dry run changes nothing."""
    with Path(os.environ["AUDIT_LOG"]).open() as log:
        log.seek(0, os.SEEK_END)
        account = json.loads(kubectl("auth", "whoami", "--output=json"))["status"]["userInfo"]["username"]

        def kept() -> list[str]:
            seen = [json.loads(line) for line in log]
            mine = [one for one in seen if one["user"]["username"] == account and one["verb"] in WRITES]
            here = [one for one in mine if one.get("objectRef", {}).get("namespace") == SPACE]
            return [one["requestURI"] for one in here if "dryRun=All" not in one["requestURI"]]

        yield kept


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The first version is live."""
    own = System(tmp_path_factory.mktemp("rolling"), KubeClient())
    own.client.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    own.client.apply(HTTPROUTE, route(), SPACE)
    (own.folder / "shop.yml").write_text(yaml.safe_dump_all(manifests()))
    own.measures(1)
    try:
        code, said = own.run("deploy.yml", release_version=VERSIONS[0], release_witness={"rate": 0})
        assert code == 0, said
        yield own
    finally:
        for description in own.folder.glob("records/*/*/witness/*/witness.json"):
            Witness(description.parent).stop()
        own.client.delete(NAMESPACE, SPACE)


@pytest.fixture
def system(released: System) -> System:
    released.measures(1)
    return released


def wait_for(condition: Callable[[], bool], operator: Operator) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it never came true:\n{operator.said[-6000:]}"
        time.sleep(0.05)


def complete_since(workload: Variables) -> str:
    """When its controller saw its rollout done; a pod that is not ready for a while does not change that."""
    found = (one for one in workload["status"]["conditions"] if one["reason"] == "NewReplicaSetAvailable")
    return next(str(one["lastUpdateTime"]) for one in found)


@pytest.mark.skipif("AUDIT_LOG" not in os.environ, reason="this cluster's audit log cannot be read from here")
def test_checking_a_release_tells_what_would_roll_and_writes_nothing(system: System) -> None:
    before, version = system.objects(), system.another()
    with audited() as kept:
        code, said = system.run("deploy.yml", "--check", "--diff", release_version=version)
        assert (code, kept(), system.objects()) == (0, [], before), said
    assert f"+        image: localhost/podinfo:{version}" in said
    assert f"change Deployment api: app localhost/podinfo:{version}" in said


def test_components_roll_in_their_order_and_no_request_is_lost(system: System) -> None:
    version = system.another()
    code, said = system.run("deploy.yml", release_version=version)
    assert code == 0, said
    assert (system.newest.verdict, system.tags) == ("released", (version, version))
    assert system.whats() == WAY.whats()
    told = system.record()
    assert (told["lost"], told["wrong_version"]) == (0, 0)
    assert told["requests"] > 0
    begun = [pod["metadata"]["creationTimestamp"] for pod in system.pods("web").values()]
    api = system.client.get(DEPLOYMENT, "api", SPACE) or {}
    assert min(begun) >= complete_since(api), "web comes after api"


def test_the_same_version_again_changes_nothing(system: System) -> None:
    before = len(system.attempts)
    code, said = system.run("deploy.yml", release_version=system.tag("web"))
    assert code == 0, said
    assert "changed=0" in said
    assert len(system.attempts) == before


@pytest.mark.thorough
def test_one_component_goes_back_alone_and_checking_that_names_its_workload(system: System) -> None:
    before, api, version = system.objects(), system.pods("api"), system.tag("api")
    with audited() as kept:
        code, said = system.run("rollback.yml", "--check", rollback_components=["web"])
        assert (code, kept(), system.objects()) == (0, [], before), said
    said = " ".join(said.split())
    assert f"{SYSTEM} {version} would go back: give back Deployment web; wait until Deployment web is ready" in said
    code, said = system.run("rollback.yml", rollback_components=["web"])
    assert code == 0, said
    assert (system.tags, set(system.pods("api"))) == ((version, VERSIONS[0]), set(api))
    assert (system.newest.verdict, system.newest.alone) == ("rolled back", ("web",))
    assert system.ledger()[0].after["alone"] == ["web"]
    unrolled = system.ledger()[1].before
    assert [one["name"] for one in unrolled] == ["web"]
    assert re.search(r"ended: rolled back, web alone, in \d+\.\d s\.", said)


@pytest.mark.thorough
def test_what_went_back_alone_comes_forward_with_the_next_release_of_its_version(system: System) -> None:
    version, api = system.tag("api"), system.pods("api")
    code, said = system.run("deploy.yml", release_version=version)
    assert code == 0, said
    assert (system.newest.verdict, system.tags) == ("released", (version, version))
    assert set(system.pods("api")) == set(api)


@pytest.mark.thorough
def test_by_hand_the_newest_release_goes_back_by_a_redeploy_and_no_other(system: System) -> None:
    """The newest is that of one component."""
    api = system.tag("api")
    for _time in range(2):
        code, said = system.run("rollback.yml", release_rollback={"way": "redeploy"})
        assert (code, system.tags) == (0, (api, VERSIONS[0])), said
    assert system.whats() == ["release begins", *WAY.back(True)[0].whats, "release ends", "sealed"]


def test_a_version_that_never_starts_is_taken_back_and_nothing_else_is_touched(system: System) -> None:
    before, web = system.workloads(), system.pods("web")
    with audited() as kept:
        code, said = system.run("deploy.yml", release_version="0.0.0-nowhere")
        touched = [one for one in kept() if "/deployments/web" in one]
    assert code != 0
    assert "will not become so" in said
    assert (system.newest.verdict, system.workloads(), touched) == ("rolled back", before, []), said
    assert set(system.pods("web")) == set(web)
    assert (system.record()["lost"], system.record()["wrong_version"]) == (0, 0)
    rolled = ["roll rolling-shop: begins", "roll rolling-shop: failed"]
    assert system.whats() == ["release begins", *rolled, *WAY.back(True)[0].whats, "release ends", "sealed"]


def test_what_fails_at_its_gate_goes_back_by_itself_to_the_revisions_of_before(system: System) -> None:
    before, version = system.tags, system.another()
    system.measures(101)
    code, said = system.run("deploy.yml", release_version=version, release_rollback={"way": "revision"})
    assert code != 0
    assert "open orders: orders is 101, expected <= 100" in said
    assert (system.newest.verdict, system.tags) == ("rolled back", before)
    assert system.whats() == WAY.whats("gate live")
    assert system.record()["lost"] == 0
    evidence = system.folder / "records" / SYSTEM / system.newest.release / "evidence"
    assert version in (evidence / "web" / "evidence.json").read_text(), "of the pods that are gone now"


@pytest.mark.thorough
def test_an_incident_takes_the_newest_release_back_and_its_ledger_has_what_was_seen(system: System) -> None:
    before, version = system.tags, system.another()
    code, said = system.run("deploy.yml", release_version=version)
    assert (code, system.tags) == (0, (version, version)), said
    symptom = {
        "name": "image of web",
        "source": {"kind": "kubernetes", "object_kind": "Deployment", "name": "web"},
        "select": "spec.template.spec.containers[0].image",
        "expect": f'== "localhost/podinfo:{before[1]}"',
    }
    bad = {"name": "bad", "severity": "P1", "title": "It answers wrongly", "symptoms": [symptom], "remedies": ["back"]}
    asked = {
        "release_incidents": {"severities": [{"name": "P1", "scale": "critical"}], "types": [bad]},
        "release_tasks": [{"name": "back", "rollback": {}}],
        "incident_type": "bad",
    }
    code, said = system.run("incident.yml", **asked)
    assert (code, system.tags) == (0, (version, version)), said
    code, said = system.run("incident.yml", incident_step="remedy", incident_remedy="back", **asked)
    assert (code != 0, "it was not confirmed" in " ".join(said.split())) == (True, True), said

    code, said = system.run(
        "incident.yml", incident_step="remedy", incident_remedy="back", incident_confirm=True, **asked
    )
    assert (code, system.tags, system.newest.verdict) == (0, before, "rolled back"), said
    incident = f"{LEASE}-incident-bad-1"
    assert system.ledger()[-2].after["reason"] == incident
    entries = read(Store(system.client, SPACE, incident))
    assert [one.what for one in entries][-5:] == [
        *("acknowledged", "remedy begins", "remedy done", "symptoms judged", "mitigated"),
    ]
    done = entries[-3]
    assert version in done.before["seen"][0]
    assert before[1] in done.after["seen"][0]
    assert version in done.after["why"]


@pytest.mark.thorough
def test_a_release_that_is_killed_between_two_waves_can_be_taken_back(system: System) -> None:
    before, version = system.tags, system.another()
    operator = system.start("deploy.yml", release_version=version)
    wait_for(lambda: system.tag("api") == version, operator)
    operator.kill()
    assert system.tag("web") == before[1], "the second wave had not begun"
    code, said = system.run("rollback.yml", release_takeover=True, release_reason="killed")
    assert code == 0, said
    assert (system.newest.verdict, system.tags) == ("rolled back", before)


@pytest.mark.thorough
def test_a_release_that_is_killed_between_two_waves_is_gone_on_with(system: System) -> None:
    version = system.another()
    operator = system.start("deploy.yml", release_version=version)
    wait_for(lambda: system.tag("api") == version, operator)
    operator.kill()
    killed = system.newest.release
    code, said = system.run("deploy.yml", release_version=version, release_takeover=True, release_reason="killed")
    assert code == 0, said
    assert (system.newest.release, system.newest.verdict, system.tags) == (killed, "released", (version, version))
    assert [what for what in system.whats() if what.startswith("roll ")] == [
        *("roll rolling-shop: begins", "roll rolling-shop: begins", "roll rolling-shop: done")
    ]


def test_an_image_that_somebody_sets_is_drift_and_nothing_else_is(system: System) -> None:
    image = f"app=localhost/podinfo:{system.another()}"
    kubectl("set", "image", "deployment/web", image, f"--namespace={SPACE}")
    code, said = system.run("drift.yml")
    assert code != 0
    told = " ".join(said.split())
    assert "Deployment web of web was changed by kubectl-set" in told
    found = re.findall(r"(\w+ \S+) of \S+ (?:was changed|has appeared|has vanished)", told)
    assert set(found) == {"Deployment web"}
