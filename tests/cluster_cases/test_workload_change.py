# SPDX-License-Identifier: GPL-3.0-or-later
"""One workload is changed for good or for a time, and goes back by itself, on a real cluster."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CONFIGMAP,
    DEPLOYMENT,
    HPA,
    JOB,
    NAMESPACE,
    NETWORKPOLICY,
    PDB,
    POD,
    REPLICASET,
    RESOURCEQUOTA,
    ROLE,
    ROLEBINDING,
    SECRET,
    SERVICEACCOUNT,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch

Obj = dict[str, Any]
SPACE = "workload-change-case"
TESTS = Path(__file__).resolve().parents[1]
MODULE = "import conftest; from ansible_collections.runbook.release.plugins.modules.workload_change import main; main()"
IMAGE = {"image": "localhost/stand-in:1.5.0", "image_pull_policy": "IfNotPresent"}
PATIENCE = 90.0


def workload(name: str, replicas: int, memory: str = "8Mi") -> Obj:
    env = [{"name": "LOG_LEVEL", "value": "info"}, {"name": "BLOCKED", "value": "a,b"}]
    container = {
        "name": "app",
        "image": "localhost/podinfo:6.9.2",
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898"],
        "env": env,
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "1m", "memory": memory}, "limits": {"memory": "64Mi"}},
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def client() -> KubeClient:
    return KubeClient()


@pytest.fixture(scope="module", autouse=True)
def space(client: KubeClient) -> Iterator[None]:
    client.delete(NAMESPACE, SPACE)
    seen(client, lambda: client.get(NAMESPACE, SPACE) is None, Watch(NAMESPACE))
    client.create(NAMESPACE, {"metadata": {"name": SPACE}})
    hard = {"requests.memory": "1Gi", "pods": "12"}
    client.create(RESOURCEQUOTA, {"metadata": {"name": "team"}, "spec": {"hard": hard}}, SPACE)
    client.create(SECRET, {"metadata": {"name": "database"}, "stringData": {"password": "one"}}, SPACE)
    for name in ("api", "other"):
        client.create(DEPLOYMENT, workload(name, 1), SPACE)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 90}},
    }
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3, "metrics": [metric]}
    client.create(HPA, {"metadata": {"name": "other"}, "spec": spec}, SPACE)
    yield
    client.delete(NAMESPACE, SPACE)


def seen(client: KubeClient, condition: Callable[[], bool], *watches: Watch) -> None:
    """Watched, not polled."""
    for _snapshot in client.watch(watches or [Watch(DEPLOYMENT, SPACE)], time.monotonic() + PATIENCE):
        if condition():
            return
    raise AssertionError("it never happened")


def start(**options: Any) -> subprocess.Popen[str]:
    given = {"namespace": SPACE, "name": "api", "stable": 0, "timeout": 60, "_ansible_remote_tmp": "/tmp", **options}
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    args = json.dumps({"ANSIBLE_MODULE_ARGS": {key: value for key, value in given.items() if value is not None}})
    return subprocess.Popen(
        [sys.executable, "-c", MODULE, args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(**options: Any) -> Obj:
    out, err = start(**options).communicate(timeout=120)
    assert out, err
    return dict(json.loads(out))


def did(**options: Any) -> Obj:
    result = run(**options)
    assert not result.get("failed"), result["msg"]
    return result


def refused(**options: Any) -> str:
    result = run(**options)
    assert result.get("failed"), result
    return str(result["msg"])


def api(client: KubeClient) -> Obj:
    found = client.get(DEPLOYMENT, "api", SPACE)
    assert found
    return found


def size(client: KubeClient) -> int:
    return int(api(client)["spec"]["replicas"])


def variables(client: KubeClient) -> dict[str, str]:
    return variables_of(api(client))


def variables_of(workload: Obj) -> dict[str, str]:
    return {one["name"]: one["value"] for one in workload["spec"]["template"]["spec"]["containers"][0]["env"]}


def pods(client: KubeClient) -> set[str]:
    found = client.list(POD, SPACE, "app=api")
    return {one["metadata"]["uid"] for one in found if not one["metadata"].get("deletionTimestamp")}


def test_it_is_scaled_and_what_cannot_be_is_refused_before_anything_changed(client: KubeClient) -> None:
    dry = did(state="scaled", replicas=2, _ansible_check_mode=True, _ansible_diff=True)
    assert (dry["changed"], dry["diff"]["after"], size(client)) == (True, "Deployment api replicas: 2\n", 1)
    first = did(state="scaled", replicas=2)
    assert (first["plan"], first["before"]) == (["scale Deployment api from 1 to 2"], {"Deployment api replicas": 1})
    assert first["room"] == "there is room for 1 more pod: ResourceQuota team and 1 node"
    assert len(pods(client)) == 2
    assert not did(state="scaled", replicas=2)["changed"]
    assert "does not fit the quota" in refused(state="scaled", replicas=12)
    assert "HorizontalPodAutoscaler other keeps Deployment other" in refused(state="scaled", name="other", replicas=2)
    assert "would stop" in refused(state="scaled", replicas=0)
    assert "There is no Deployment nobody; there are" in refused(state="scaled", name="nobody", replicas=2)
    assert size(client) == 2


def test_a_change_for_a_time_goes_back_by_a_job_that_leaves_with_all_it_had(client: KubeClient) -> None:
    before = api(client)["spec"]
    result = did(
        state="configured",
        env={"LOG_LEVEL": "debug"},
        append={"BLOCKED": ["c"]},
        temporary={"for": "8s", "reason": "incident 17"},
        **IMAGE,
    )
    ran = [variables_of(replica_set) for replica_set in client.list(REPLICASET, SPACE, "app=api")]
    assert {"LOG_LEVEL": "debug", "BLOCKED": "a,b,c"} in ran, "on a slow machine it is back already, but it was there"
    assert [(one["what"], one["reason"]) for one in result["temporary"]] == [("configured", "incident 17")]
    seen(client, lambda: variables(client) == {"LOG_LEVEL": "info", "BLOCKED": "a,b"})
    assert api(client)["spec"] == before
    assert "runbook.release/temporary" not in api(client)["metadata"]["annotations"]
    assert "Deployment api: LOG_LEVEL of app is 'info' again" in did(state="reverted", name=None)["went"][0]
    name = "put-back-deployment-api"

    def ended() -> bool:
        conditions = ((client.get(JOB, name, SPACE) or {}).get("status") or {}).get("conditions") or []
        return any(one["type"] == "Complete" for one in conditions)

    seen(client, ended, Watch(JOB, SPACE))
    client.delete(JOB, name, SPACE)
    kinds = (CONFIGMAP, SERVICEACCOUNT, ROLE, ROLEBINDING)
    seen(
        client,
        lambda: not any(client.get(kind, name, SPACE) for kind in kinds),
        *(Watch(kind, SPACE) for kind in kinds),
    )


def test_a_killed_run_is_put_back_by_the_next(client: KubeClient) -> None:
    process = start(state="scaled", replicas=3, temporary={"for": "1h"})
    seen(client, lambda: size(client) == 3)
    process.kill()
    process.wait()
    assert did(state="reverted", name=None)["temporary"][0]["overdue"] is False
    assert size(client) == 3
    back = did(state="reverted", name=None, everything=True)
    assert (back["changed"], back["plan"], back["temporary"]) == (True, ["Deployment api: replicas are 2 again"], [])
    assert (size(client), len(pods(client))) == (2, 2)
    assert not did(state="reverted", name=None, everything=True)["changed"]


def test_pods_with_an_old_secret_are_restarted_once_and_never_against_a_budget(client: KubeClient) -> None:
    asked: Obj = {"state": "restarted", "after_change_of": [{"name": "database"}]}
    password = {"data": {"password": base64.b64encode(b"two").decode()}}
    client.merge_patch(SECRET, "database", password, SPACE)
    old = pods(client)
    assert did(**asked)["plan"] == ["restart Deployment api"]
    assert not old & pods(client)
    assert not did(**asked)["changed"]
    spec = {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "api"}}}
    client.create(PDB, {"metadata": {"name": "api"}, "spec": spec}, SPACE)
    recreate = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate", "rollingUpdate": None}}}
    client.merge_patch(DEPLOYMENT, "api", recreate, SPACE)
    assert "PodDisruptionBudget api lets 0 of 2 pods" in refused(state="restarted")
    client.delete(PDB, "api", SPACE)


def test_an_autoscaler_is_there_for_a_time_and_another_gets_new_bounds(client: KubeClient) -> None:
    made = did(state="autoscaled", autoscaler={"min": 3, "max": 4, "cpu": 80}, temporary={"for": "1h"})
    assert "create HorizontalPodAutoscaler api for Deployment api: 3 to 4 pods" in made["plan"]
    assert client.get(HPA, "api", SPACE)
    assert "only for a time" in refused(state="autoscaled", autoscaler={"min": 1, "max": 4, "cpu": 80})
    did(state="autoscaled", name="other", autoscaler={"min": 1, "max": 5}, temporary={"for": "1h"})
    assert (client.get(HPA, "other", SPACE) or {})["spec"]["maxReplicas"] == 5
    assert len(did(state="reverted", name=None, everything=True)["plan"]) >= 2
    assert client.get(HPA, "api", SPACE) is None
    assert ((client.get(HPA, "other", SPACE) or {})["spec"]["maxReplicas"], size(client)) == (3, 2)


def test_a_workload_is_isolated_for_a_time_and_what_a_killed_run_left_the_next_one_takes_away(
    client: KubeClient,
) -> None:
    """What the API holds; whether packets are kept out is up to the network, which this cluster's does not do."""
    name = "isolated-deployment-api"
    peers = {"from": [{"podSelector": {"matchLabels": {"app": "other"}}}]}

    def policy() -> Obj:
        return client.get(NETWORKPOLICY, name, SPACE) or {}

    asked: Obj = {"state": "isolated", "allow": peers}
    assert "following are missing: temporary" in refused(**asked)
    wrong = {"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}
    assert "may not specify both ipBlock" in refused(state="isolated", allow=wrong, temporary={"for": "1h"})
    assert not policy()
    process = start(**asked, temporary={"for": "1h", "reason": "incident 18"})
    seen(client, lambda: bool(policy()), Watch(NETWORKPOLICY, SPACE))
    process.kill()
    process.wait()
    assert policy()["spec"]["podSelector"] == {"matchLabels": {"app": "api"}}
    assert (policy()["spec"]["ingress"], policy()["spec"].get("egress")) == ([peers], None)
    assert policy()["spec"]["policyTypes"] == ["Ingress", "Egress"]
    again = did(**asked, temporary={"for": "2h", "reason": "incident 18"})
    assert [(one["what"], one["overdue"]) for one in again["temporary"]] == [("isolated", False)]
    back = did(state="reverted", name=None, everything=True)
    assert (back["plan"], back["temporary"]) == ([f"NetworkPolicy {name} is removed"], [])
    assert not policy()
    did(**asked, temporary={"for": "8s"}, **IMAGE)
    seen(client, lambda: not policy(), Watch(NETWORKPOLICY, SPACE))
    assert "runbook.release/temporary" not in api(client)["metadata"]["annotations"]


def test_a_workload_is_pinned_to_a_version_and_returns_to_a_numbered_revision(client: KubeClient) -> None:
    def image() -> str:
        return str(api(client)["spec"]["template"]["spec"]["containers"][0]["image"])

    number = int(api(client)["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
    pinned = did(state="pinned", version="6.9.3")
    assert pinned["after"] == {"Deployment api image of app": "localhost/podinfo:6.9.3"}
    assert image() == "localhost/podinfo:6.9.3"
    assert not did(state="pinned", version="6.9.3")["changed"]
    assert "has no revision 99; there is" in refused(state="undone", revision=99)
    back = did(state="undone", revision=number)
    assert back["plan"] == [f"return Deployment api to revision {number} (localhost/podinfo:6.9.2)"]
    assert image() == "localhost/podinfo:6.9.2"


def test_scale_yml_first_puts_back_what_is_overdue_and_records_what_it_did(client: KubeClient, tmp_path: Path) -> None:
    did(state="scaled", replicas=3, temporary={"for": "1s"})
    component = {"name": "backend", "replicas": 2, "workloads": [{"name": "other"}], "source": {"kind": "image"}}
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "release_system": "scaled",
        "release_environment": "case",
        "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": SPACE},
        "release_record": str(tmp_path / "records"),
        "release_components": [component],
    }
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"scaled": host}}}))
    asked: Obj = {"scale_component": "backend", "scale_autoscaler": {"min": 2, "max": 4}}
    asked |= {"scale_for": "1h", "scale_image": IMAGE["image"]}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(tmp_path / "hosts.json")]
    command += [str(TESTS.parent / "playbooks" / "scale.yml"), "-e", json.dumps(asked)]
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The baseline of backend is 2 replicas." in done.stdout
    assert size(client) == 2
    assert (client.get(HPA, "other", SPACE) or {})["spec"]["minReplicas"] == 2
    record = json.loads(next((tmp_path / "records").rglob("record.json")).read_text())
    assert (record["verdict"], record["tasks"][0]["name"]) == ("done", "scale backend")
    assert "HorizontalPodAutoscaler other minReplicas: 2" in record["tasks"][0]["after"]
    job = "put-back-horizontalpodautoscaler-other"
    assert ((client.get(JOB, job, SPACE) or {}).get("status") or {}).get("ready") == 1
    assert did(state="reverted", name="other")["changed"]
    assert (client.get(HPA, "other", SPACE) or {})["spec"]["minReplicas"] == 1
    seen(client, lambda: client.get(JOB, job, SPACE) is None, Watch(JOB, SPACE))
