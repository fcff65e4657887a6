# SPDX-License-Identifier: GPL-3.0-or-later
"""helm_bluegreen on a real cluster: whole cycles, failures within seconds, and bad input that changes nothing."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.errors import (
    Forbidden,
    Invalid,
    NotFound,
    NotReady,
    Refused,
    ReleaseError,
)
from ansible_collections.runbook.release.plugins.module_utils.helm.bundle import contents, gather, keep, summary
from ansible_collections.runbook.release.plugins.module_utils.helm.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Target, observe
from ansible_collections.runbook.release.plugins.module_utils.helm.operate import Outcome, Request, operate
from ansible_collections.runbook.release.plugins.module_utils.helm.record import decode, encode
from ansible_collections.runbook.release.plugins.module_utils.helm.source import Source
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.kube.faults import Asked
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CONFIGMAP,
    DEPLOYMENT,
    HPA,
    HTTPROUTE,
    NAMESPACE,
    POD,
    RESOURCEQUOTA,
    ROLE,
    ROLEBINDING,
    SECRET,
    SERVICE,
    SERVICEACCOUNT,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.readiness import pod_problem
from ansible_collections.runbook.release.plugins.module_utils.kube.transport import Request as HttpRequest
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch

Obj = dict[str, Any]
CLUSTER = Path(__file__).resolve().parents[1] / "cluster"
ENTRY = {"kind": "httproute", "name": "podinfo"}
FAIL_FAST = 15.0
LIMITED = "limited"
COUNTER = itertools.count()


def route(blue: int = 100, **metadata: Any) -> Obj:
    backends = [("podinfo-blue", blue), ("podinfo-green", 100 - blue)]
    return {
        "metadata": {"name": "podinfo", **metadata},
        "spec": {
            "rules": [{"backendRefs": [{"name": name, "port": 9898, "weight": weight} for name, weight in backends]}]
        },
    }


def manifests(folder: Path, **pod: Any) -> Source:
    """podinfo as plain manifests that are ready within a second or two."""
    labels = {"app": "podinfo"}
    container = {
        "name": "podinfo",
        "image": "localhost/podinfo",
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898"],
        "ports": [{"name": "http", "containerPort": 9898}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
    }
    objects: list[Obj] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "podinfo"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"terminationGracePeriodSeconds": 3, "containers": [container], **pod},
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "podinfo"},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 9898, "targetPort": "http"}]},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "podinfo"}},
    ]
    (folder / "podinfo.yaml").write_text(yaml.safe_dump_all(objects))
    return Source("manifests", path=str(folder), image="localhost/podinfo")


def chart(version: str, **values: Any) -> Source:
    """podinfo's own chart."""
    image = {"repository": "localhost/podinfo", "tag": version}
    probes = {"readiness": {"periodSeconds": 1}}
    own = {"replicaCount": 2, "image": image, "probes": probes, **values}
    return Source("helm", chart=f"{os.environ['CHARTS']}/podinfo", image="localhost/podinfo", values=own)


class Case:
    """A namespace of its own with an entry, and the component in it."""

    def __init__(self, client: KubeClient, namespace: str, folder: Path) -> None:
        self.client, self.namespace, self.folder = client, namespace, folder
        self.helm = os.environ["HELM"]
        options = {"name": "podinfo", "namespace": namespace, "entry": ENTRY}
        self.target = Target.of(options)

    def run(
        self,
        state: str = "staged",
        version: str = "",
        source: Source | None = None,
        *,
        client: KubeClient | None = None,
        check: bool = False,
        target: Target | None = None,
        **more: Any,
    ) -> Outcome:
        client = client or (KubeClient(self.client.auth, dry_run=True) if check else self.client)
        want = Want(state, version, **{"timeout": 90, "now": time.time(), **more})
        if state == "staged" and source is None:
            source = manifests(self.folder)
        return operate(client, Request(target or self.target, want, source, 1, self.helm, check, diff=True))

    def weigh(self, blue: int, began_from: str = "") -> None:
        began_from = began_from or ("blue" if blue == 0 else "green")
        shift = {"from": began_from, "to": "green" if began_from == "blue" else "blue"}
        noted = route(blue, annotations={"runbook.release/shift": json.dumps(shift)})
        self.client.apply(HTTPROUTE, noted, self.namespace, force=True)

    def fingerprint(self) -> set[tuple[str, str, str]]:
        """Everything a release could have changed, with the version of each object."""
        kinds = (DEPLOYMENT, SERVICE, SECRET, CONFIGMAP, HPA, SERVICEACCOUNT, HTTPROUTE)
        return {
            (kind.kind, obj["metadata"]["name"], obj["metadata"]["resourceVersion"])
            for kind in kinds
            for obj in self.client.list_metadata(kind, self.namespace)
        }

    def live_pods(self, colour: str) -> set[tuple[str, int]]:
        """Pods of a colour and their restarts."""
        return {
            (pod["metadata"]["uid"], sum(one["restartCount"] for one in pod["status"].get("containerStatuses", [])))
            for pod in self.client.list(POD, self.namespace)
            if pod["metadata"]["name"].startswith(f"podinfo-{colour}")
        }

    def first_problem(self) -> float:
        """The moment a pod of the green side is in trouble, by its own status."""
        watched = Watch(POD, self.namespace, "runbook.release/colour=green")
        for snapshot in self.client.watch([watched], time.monotonic() + 60):
            if any(pod_problem(pod) for pod in snapshot.objects[POD].values()):
                return snapshot.at
        raise AssertionError("no pod got into trouble")

    def newest_secret(self, colour: str) -> Obj:
        labels = f"owner=helm,name=podinfo-{colour}"
        return max(
            self.client.list(SECRET, self.namespace, labels=labels),
            key=lambda one: int(one["metadata"]["labels"]["version"]),
        )

    def stick(self, colour: str, age: float) -> None:
        """Leave the newest operation as a Helm that was killed leaves it."""
        secret = self.newest_secret(colour)
        record = decode(secret)
        record["info"]["status"] = "pending-upgrade"
        labels = {"status": "pending-upgrade", "modifiedAt": str(int(time.time() - age))}
        body = {"metadata": {"labels": labels}, "data": {"release": encode(record)}}
        self.client.merge_patch(SECRET, secret["metadata"]["name"], body, self.namespace)


@pytest.fixture(scope="module")
def client() -> KubeClient:
    return KubeClient()


@contextlib.contextmanager
def namespace_with_entry(client: KubeClient, folder: Path) -> Iterator[Case]:
    namespace = f"bluegreen-{os.getpid()}-{next(COUNTER)}"
    client.create(NAMESPACE, {"metadata": {"name": namespace}})
    client.create(HTTPROUTE, route(), namespace)
    try:
        yield Case(client, namespace, folder)
    finally:
        client.delete(NAMESPACE, namespace)


@pytest.fixture
def case(client: KubeClient, tmp_path: Path) -> Iterator[Case]:
    folder = tmp_path / "manifests"
    folder.mkdir()
    with namespace_with_entry(client, folder) as case:
        yield case


@pytest.fixture
def live(case: Case) -> Case:
    """The same with 6.9.2 live on blue."""
    case.run(version="6.9.2")
    return case


def helm_3() -> str:
    return os.environ["HELM"]


def helm_4() -> str:
    built = subprocess.run([sys.executable, str(CLUSTER), "helm4"], check=True, capture_output=True, text=True)
    return built.stdout.splitlines()[-1]


@pytest.mark.parametrize("helm", [helm_3, helm_4])
def test_a_chart_through_two_releases_and_back(case: Case, helm: Callable[[], str]) -> None:
    case.helm = helm()
    first = case.run(version="6.9.2", source=chart("6.9.2"))
    assert (first.plan.target, first.have.first, first.have.live) == ("blue", True, "")
    assert first.after.colours["blue"].version == "6.9.2"
    again = case.run(version="6.9.2", source=chart("6.9.2"))
    assert (again.changed, again.plan.target, again.have.live) == (False, "blue", "blue")

    blue = case.live_pods("blue")
    second = case.run(version="6.9.3", source=chart("6.9.3"))
    assert (second.plan.target, second.after.colours["green"].version) == ("green", "6.9.3")
    assert not case.run(version="6.9.3", source=chart("6.9.3")).changed
    case.weigh(blue=0)
    assert case.live_pods("blue") == blue

    assert case.run("retired").changed
    assert not case.run("retired").changed
    assert case.run("warm").after.colours["blue"].ready == 2
    assert not case.run("warm").changed
    third = case.run(version="6.9.6", source=chart("6.9.6"))
    assert (third.plan.target, third.after.colours["blue"].version) == ("blue", "6.9.6")
    assert case.run("absent").changed
    assert not case.run("absent").changed
    assert observe(case.client, case.target).report()["versions"] == {"blue": "", "green": "6.9.3"}


@pytest.mark.parametrize("helm", [helm_3, helm_4])
def test_a_values_file_reaches_the_pods_and_is_a_change_once_it_has_changed(
    live: Case, helm: Callable[[], str], tmp_path: Path
) -> None:
    live.helm, path = helm(), tmp_path / "values-prod.yaml"

    def noted(note: str) -> Source:
        path.write_text(json.dumps({"podAnnotations": {"note": note}, "image": {"tag": "prod"}}))
        return replace(chart("6.9.3"), values_files=[str(path)])

    first = live.run(version="6.9.3", source=noted("one"))
    assert (first.changed, first.report()["values_files"][0]["name"]) == (True, "values-prod.yaml")
    assert not live.run(version="6.9.3", source=noted("one")).changed
    deployment = live.client.get(DEPLOYMENT, "podinfo-green", live.namespace)
    assert deployment is not None
    assert deployment["spec"]["template"]["metadata"]["annotations"]["note"] == "one"
    assert live.run(version="6.9.3", source=noted("two"), check=True).changed


def test_manifests_get_their_colour_and_share_what_both_use(live: Case) -> None:
    outcome = live.run(version="6.9.3")
    assert outcome.after.report()["versions"] == {"blue": "6.9.2", "green": "6.9.3"}
    service = live.client.get(SERVICE, "podinfo-green", live.namespace) or {}
    assert service["spec"]["selector"] == {"app": "podinfo", "runbook.release/colour": "green"}
    account = live.client.get(SERVICEACCOUNT, "podinfo", live.namespace) or {}
    assert "meta.helm.sh/release-name" not in account["metadata"].get("annotations", {})
    deployment = live.client.get(DEPLOYMENT, "podinfo-green", live.namespace) or {}
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "localhost/podinfo:6.9.3"


def test_capacity_and_autoscaler_follow_the_live_side(case: Case) -> None:
    def source(version: str) -> Source:
        return chart(version, hpa={"enabled": True, "cpu": 80, "maxReplicas": 6})

    case.run(version="6.9.2", source=source("6.9.2"), replicas=3)
    outcome = case.run(version="6.9.3", source=source("6.9.3"))
    assert outcome.plan.capacity == {("Deployment", "podinfo-green"): 3}
    green = case.client.get(HPA, "podinfo-green", case.namespace) or {}
    assert green["spec"]["minReplicas"] == 3
    case.run("settled")
    case.weigh(blue=0)
    settling = case.run("settled", check=True).plan.sentences()
    assert settling == ["give HorizontalPodAutoscaler podinfo-green its own minimum of 2 back"]
    assert case.run("settled").changed
    assert not case.run("settled").changed
    blue = case.client.get(DEPLOYMENT, "podinfo-blue", case.namespace) or {}
    assert blue["spec"]["replicas"] > 0
    green = case.client.get(HPA, "podinfo-green", case.namespace) or {}
    assert green["spec"]["minReplicas"] == 2
    assert "runbook.release/min-replicas" not in green["metadata"]["annotations"]


def test_check_mode_writes_nothing_and_shows_both_differences(live: Case) -> None:
    before = live.fingerprint()
    outcome = live.run(version="6.9.3", check=True)
    assert (outcome.changed, outcome.plan.target) == (True, "green")
    assert [diff["before_header"] for diff in outcome.diff] == [
        "idle podinfo-green (nothing proven)",
        "live podinfo-blue 6.9.2",
    ]
    assert "localhost/podinfo:6.9.2" in outcome.diff[1]["before"]
    assert "localhost/podinfo:6.9.3" in outcome.diff[1]["after"]
    assert live.fingerprint() == before


@pytest.mark.parametrize(
    ("version", "pod", "reason"),
    [
        ("6.9.5", {}, "CrashLoopBackOff"),
        ("0.0.0", {}, r"ErrImagePull|ImagePullBackOff"),
        ("6.9.3", {"nodeSelector": {"there": "is-none"}}, "Unschedulable"),
    ],
)
def test_what_cannot_become_ready_fails_within_seconds_and_the_live_side_is_untouched(
    live: Case, version: str, pod: Obj, reason: str, tmp_path: Path
) -> None:
    before = live.live_pods("blue")
    with ThreadPoolExecutor(max_workers=1) as pool:
        appeared = pool.submit(live.first_problem)
        with pytest.raises(NotReady, match=reason) as caught:
            live.run(version=version, source=manifests(live.folder, **pod))
        assert time.monotonic() - appeared.result() < FAIL_FAST
    assert caught.value.details["problems"]
    assert caught.value.details["evidence"]["pods"][0]["name"].startswith("podinfo-green")
    have = observe(live.client, live.target)
    assert (have.live, have.colours["blue"].version, have.colours["green"].version) == ("blue", "6.9.2", "")
    assert live.live_pods("blue") == before

    found = gather(live.client, live.namespace, have.colours["green"].workloads)
    lines = summary("green", have.colours["green"].workloads, found)
    files = keep(str(tmp_path / "kept"), contents(lines, found))
    assert any(word in "\n".join(lines) for word in reason.split("|"))
    assert all(Path(file).stat().st_mode & 0o077 == 0 for file in (*files, tmp_path / "kept"))
    if version == "6.9.5":
        assert "no such table: settings" in str(caught.value)
        assert any("no such table: settings" in line for line in lines)

    live.run("retired", quarantine=True)
    assert observe(live.client, live.target).colours["green"].quarantined


def test_pods_the_quota_rejects_later_are_reported_with_its_reason(live: Case) -> None:
    """A quota that is filled between the guard and the pods."""
    source = manifests(live.folder)
    green = live.run(version="6.9.3", source=source).after.colours["green"]
    live.run("retired")
    hard = {"pods": "2"}
    live.client.create(RESOURCEQUOTA, {"metadata": {"name": "full"}, "spec": {"hard": hard}}, live.namespace)
    assert green.version == "6.9.3"
    with pytest.raises(NotReady, match=r"FailedCreate.*exceeded quota: full"):
        live.run(version="6.9.3", source=source)


def test_a_quarantined_version_can_be_staged_anew_but_not_gone_back_to(live: Case) -> None:
    live.run(version="6.9.3")
    live.run("retired", quarantine=True)
    live.weigh(blue=100)
    with pytest.raises(Refused, match="failed and is quarantined"):
        live.run("warm")
    outcome = live.run(version="6.9.3")
    assert outcome.changed
    assert not outcome.after.colours["green"].quarantined


def test_an_abandoned_helm_operation_of_the_idle_side_is_recovered(live: Case) -> None:
    live.run(version="6.9.3")
    live.stick("green", age=600)
    outcome = live.run(version="6.9.6")
    assert outcome.plan.sentences()[0].startswith("mark revision 1 of release podinfo-green failed")
    assert outcome.after.colours["green"].version == "6.9.6"


# Bad input: an error before anything changes.


def limited(case: Case, rules: list[Obj]) -> KubeClient:
    """A client with just these rights in the namespace."""
    name = f"{LIMITED}-{next(COUNTER)}"
    named = {"metadata": {"name": name}}
    case.client.create(SERVICEACCOUNT, named, case.namespace)
    case.client.create(ROLE, {**named, "rules": rules}, case.namespace)
    subject = {"kind": "ServiceAccount", "name": name, "namespace": case.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    case.client.create(ROLEBINDING, {**named, "subjects": [subject], "roleRef": reference}, case.namespace)
    path = SERVICEACCOUNT.path(case.namespace, name, "token")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    asked = Asked("create", SERVICEACCOUNT, case.namespace, name, "token")
    token = case.client.transport.send(HttpRequest(asked, "POST", path, body=body)).json()["status"]["token"]
    connection = case.client.connection
    return KubeClient(KubeAuth(host=connection.host, api_key=token, ca_cert=connection.configuration.ssl_ca_cert or ""))


READ_ONLY = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]


def wide_selectors(folder: Path) -> Source:
    """A chart with a selector that does not depend on the release."""
    templates = folder / "wide" / "templates"
    templates.mkdir(parents=True)
    (folder / "wide" / "Chart.yaml").write_text("{apiVersion: v2, name: wide, version: 1.0.0}")
    template = yaml.safe_dump_all(yaml.safe_load_all(Path(manifests(folder).path, "podinfo.yaml").read_text()))
    (templates / "all.yaml").write_text(template.replace("name: podinfo\n", "name: {{ .Release.Name }}\n"))
    return Source("helm", chart=str(folder / "wide"))


def named_otherwise(case: Case, name: str, entry: str) -> Target:
    return Target.of({"name": name, "namespace": case.namespace, "entry": {**ENTRY, "name": entry}})


def without_helm(case: Case) -> Outcome:
    blind = Case(case.client, case.namespace, case.folder)
    blind.helm = "/no/helm"
    return blind.run(version="6.9.3")


Bad = Callable[[Case], Any]

BAD_INPUT: dict[str, tuple[Bad, type[Exception], str]] = {
    "namespace missing": (
        lambda case: case.run(version="6.9.3", target=replace(case.target, namespace="nowhere")),
        NotFound,
        r"namespace nowhere does not exist.*kubectl create namespace nowhere",
    ),
    "entry missing": (
        lambda case: case.run(version="6.9.3", target=named_otherwise(case, "podinfo", "no")),
        NotFound,
        r"HTTPRoute .*/no does not exist",
    ),
    "entry points elsewhere": (
        lambda case: case.run(version="6.9.3", target=named_otherwise(case, "other", "podinfo")),
        Refused,
        r"podinfo-blue.*not to the colours",
    ),
    "no rights at all": (
        lambda case: case.run(version="6.9.3", client=limited(case, [])),
        Forbidden,
        r"cannot (get|list) .*(apiGroups|resources)",
    ),
    "rights to read only": (
        lambda case: case.run(version="6.9.3", client=limited(case, READ_ONLY)),
        Forbidden,
        r'may not .*create deployments\.apps.*\["apps"\], resources: \["deployments"\], verbs: \[create, patch',
    ),
    "chart missing": (
        lambda case: case.run(version="6.9.3", source=Source("helm", chart="/no/such/chart")),
        Refused,
        "The chart /no/such/chart does not exist",
    ),
    "chart does not render": (
        lambda case: case.run(version="6.9.3", source=chart("6.9.3", replicaCount={"not": "a number"}, image="no map")),
        ReleaseError,
        r"Rendering chart .* failed.*correct the chart or source.values",
    ),
    "chart renders another version": (
        lambda case: case.run(version="6.9.6", source=chart("6.9.3")),
        Refused,
        r"renders localhost/podinfo:6\.9\.3, not localhost/podinfo:6\.9\.6",
    ),
    "names of both colours are the same": (
        lambda case: case.run(version="6.9.3", source=chart("6.9.3", fullnameOverride="podinfo-green")),
        Refused,
        "Both colours render the same object",
    ),
    "selectors match both colours": (
        lambda case: case.run(version="6.9.3", source=wide_selectors(case.folder)),
        Refused,
        r"selector of \w+ podinfo-\w+ would match the pods of both colours",
    ),
    "the API server rejects an object": (
        lambda case: case.run(version="6.9.3", source=manifests(case.folder, dnsPolicy="Nonsense")),
        Invalid,
        r"Deployment .*podinfo-green.*dnsPolicy",
    ),
    "live version with other content": (
        lambda case: case.run(version="6.9.2", source=manifests(case.folder, terminationGracePeriodSeconds=5)),
        Refused,
        r"6\.9\.2 is live already with other content",
    ),
    "more than any node has": (
        lambda case: case.run(
            version="6.9.3", source=chart("6.9.3", resources={"requests": {"cpu": "1000"}}), replicas=1
        ),
        Refused,
        r"No node has room for one pod of Deployment podinfo-green: it asks for 1000 cpu",
    ),
    "no Helm": (
        without_helm,
        ReleaseError,
        "/no/helm is not installed",
    ),
}


@pytest.fixture(scope="module")
def settled(client: KubeClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """6.9.2 live on blue, for tests that must not change anything."""
    with namespace_with_entry(client, tmp_path_factory.mktemp("settled")) as case:
        case.run(version="6.9.2")
        yield case


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_refused_before_anything_changes(settled: Case, tmp_path: Path, name: str) -> None:
    do, error, message = BAD_INPUT[name]
    before = settled.fingerprint()
    settled.folder = tmp_path
    with pytest.raises(error, match=message):
        do(settled)
    assert {one for one in settled.fingerprint() ^ before if not one[1].startswith(LIMITED)} == set()


def test_a_quota_that_does_not_fit_is_refused_before_anything_changes(live: Case) -> None:
    hard = {"pods": "3", "requests.cpu": "1"}
    quota = {"metadata": {"name": "team"}, "spec": {"hard": hard}}
    live.client.create(RESOURCEQUOTA, quota, live.namespace)
    deadline = time.monotonic() + 30
    while "used" not in (live.client.get(RESOURCEQUOTA, "team", live.namespace) or {}).get("status", {}):
        assert time.monotonic() < deadline
    before = live.fingerprint()
    with pytest.raises(Refused, match=r"needs 2 more pods, 2 of 3 are used.*ResourceQuota team"):
        live.run(version="6.9.3")
    assert live.fingerprint() == before


def test_a_helm_operation_that_may_be_alive_is_refused_before_anything_changes(live: Case) -> None:
    live.run(version="6.9.3")
    live.stick("green", age=5)
    before = live.fingerprint()
    with pytest.raises(Refused, match="podinfo-green is pending-upgrade since"):
        live.run(version="6.9.6")
    assert live.fingerprint() == before


def test_a_colour_with_traffic_is_not_touched(live: Case) -> None:
    live.run(version="6.9.3")
    live.weigh(blue=25, began_from="blue")
    before = live.fingerprint()
    for state, more in (("staged", {"version": "6.9.6"}), ("retired", {}), ("absent", {})):
        with pytest.raises(Refused, match="green carries 75 %"):
            live.run(state, **more)
    assert live.fingerprint() == before
