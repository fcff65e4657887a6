# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain manifests as one colour."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.helm.selectors import refuse_overlap, refuse_shared_names
from ansible_collections.runbook.release.plugins.module_utils.helm.wrap import Image, repository_of, wrap, write_chart

from .scene import deployment, hpa, service

COLOUR = "runbook.release/colour"
IMAGE = Image("registry:5000/team/api", "v2")


def config(kind: str = "ConfigMap", name: str = "conf", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data}


def manifests() -> list[dict[str, Any]]:
    workload = deployment(
        "api",
        {"app": "api"},
        image="registry:5000/team/api",
        volumes=[
            {"name": "a", "configMap": {"name": "conf"}},
            {"name": "b", "secret": {"secretName": "key"}},
            {"name": "c", "projected": {"sources": [{"configMap": {"name": "conf"}}, {"secret": {"name": "key"}}]}},
            {"name": "d", "configMap": {"name": "foreign"}},
        ],
        imagePullSecrets=[{"name": "key"}],
        initContainers=[{"name": "init", "image": "registry:5000/team/api:old@sha256:00"}],
        topologySpreadConstraints=[{"labelSelector": {"matchLabels": {"app": "api"}}}],
    )
    workload["spec"]["template"]["spec"]["containers"].append(
        {
            "name": "sidecar",
            "image": "proxy:1",
            "envFrom": [{"configMapRef": {"name": "conf"}}, {"secretRef": {"name": "key"}}],
            "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "key", "key": "x"}}}],
        }
    )
    return [
        workload,
        service("api", {"app": "api"}, namespace="elsewhere"),
        hpa("api", "api", 2),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "api"},
            "spec": {"selector": {"matchLabels": {"app": "api"}}},
        },
        config(a="1"),
        config("Secret", "key", x="eA=="),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "api"}},
    ]


def named(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(obj for obj in objects if obj["kind"] == kind)


def test_the_colour_is_in_names_selectors_and_labels() -> None:
    green = wrap(manifests(), "green", IMAGE).coloured
    workload, front = named(green, "Deployment"), named(green, "Service")
    assert (workload["metadata"]["name"], front["metadata"]["name"]) == ("api-green", "api-green")
    assert workload["spec"]["selector"]["matchLabels"] == {"app": "api", COLOUR: "green"}
    assert workload["spec"]["template"]["metadata"]["labels"] == {"app": "api", COLOUR: "green"}
    assert front["spec"]["selector"] == {"app": "api", COLOUR: "green"}
    assert named(green, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"][COLOUR] == "green"
    assert named(green, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "api-green"
    assert all(obj["metadata"]["labels"][COLOUR] == "green" for obj in green)
    assert "namespace" not in front["metadata"]


def test_the_two_colours_never_meet() -> None:
    blue, green = (wrap(manifests(), colour, IMAGE).coloured for colour in ("blue", "green"))
    refuse_shared_names(green, blue)
    refuse_overlap("green", green, blue)


def test_every_reference_follows_the_renamed_object() -> None:
    green = wrap(manifests(), "green", IMAGE).coloured
    conf, key = (named(green, kind)["metadata"]["name"] for kind in ("ConfigMap", "Secret"))
    pod = named(green, "Deployment")["spec"]["template"]["spec"]
    a, b, c, d = pod["volumes"]
    assert (a["configMap"]["name"], b["secret"]["secretName"], d["configMap"]["name"]) == (conf, key, "foreign")
    assert c["projected"]["sources"] == [{"configMap": {"name": conf}}, {"secret": {"name": key}}]
    sidecar = pod["containers"][1]
    assert sidecar["envFrom"] == [{"configMapRef": {"name": conf}}, {"secretRef": {"name": key}}]
    assert sidecar["env"][0]["valueFrom"]["secretKeyRef"]["name"] == key
    assert pod["imagePullSecrets"] == [{"name": key}]
    assert pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"][COLOUR] == "green"


def test_configuration_carries_its_content_in_its_name_and_cannot_change() -> None:
    one = named(wrap(manifests(), "green", IMAGE).coloured, "ConfigMap")
    changed = [*manifests()[:4], config(a="2"), *manifests()[5:]]
    two = named(wrap(changed, "green", IMAGE).coloured, "ConfigMap")
    assert one["metadata"]["name"].startswith("conf-green-")
    assert one["metadata"]["name"] != two["metadata"]["name"]
    assert one["immutable"]


def test_the_image_gets_the_version_and_others_keep_theirs() -> None:
    pod = named(wrap(manifests(), "green", IMAGE).coloured, "Deployment")["spec"]["template"]["spec"]
    images = [one["image"] for one in (*pod["containers"], *pod["initContainers"])]
    assert images == ["registry:5000/team/api:v2", "proxy:1", "registry:5000/team/api:v2"]


@pytest.mark.parametrize(
    ("reference", "repository"),
    [("a", "a"), ("a:1", "a"), ("h:5000/a", "h:5000/a"), ("h:5000/a:1", "h:5000/a"), ("h/a:1@sha256:00", "h/a")],
)
def test_repositories(reference: str, repository: str) -> None:
    assert repository_of(reference) == repository


def test_an_image_no_container_runs_is_refused() -> None:
    with pytest.raises(Refused, match="No container of the manifests runs the image other"):
        wrap(manifests(), "green", Image("other", "v2"))


def test_shared_objects_are_set_apart_and_the_input_is_left_as_it_was() -> None:
    source = manifests()
    before = copy.deepcopy(source)
    assert [obj["kind"] for obj in wrap(source, "green", IMAGE).shared] == ["ServiceAccount"]
    assert source == before


def test_a_colour_service_claims_no_address_of_its_own() -> None:
    front = service("api", {"app": "api"})
    front["spec"] |= {"clusterIP": "10.0.0.1", "externalIPs": ["1.2.3.4"], "ports": [{"port": 80, "nodePort": 30000}]}
    spec = named(wrap([front, deployment("api", {"app": "api"})], "green", Image()).coloured, "Service")["spec"]
    assert spec["ports"] == [{"port": 80}]
    assert not {"clusterIP", "externalIPs"} & spec.keys()


def test_a_statefulset_keeps_its_own_headless_service() -> None:
    database = {**deployment("db", {"app": "db"}), "kind": "StatefulSet"}
    database["spec"]["serviceName"] = "db"
    headless = service("db", {"app": "db"})
    headless["spec"]["clusterIP"] = "None"
    green = wrap([database, headless], "green", Image()).coloured
    assert named(green, "StatefulSet")["spec"]["serviceName"] == "db-green"
    assert named(green, "Service")["spec"]["clusterIP"] == "None"


def test_a_cronjob_gets_its_colour_too() -> None:
    job = deployment("nightly", {})["spec"]["template"]
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"jobTemplate": {"spec": {"template": job}}},
    }
    (green,) = wrap([cron], "green", Image()).coloured
    assert green["metadata"]["name"] == "nightly-green"
    assert green["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"] == {COLOUR: "green"}


def test_names_that_leave_no_room_for_the_colour_are_refused() -> None:
    with pytest.raises(Refused, match="too long a name"):
        wrap([deployment("a" * 60, {})], "green", Image())


def test_manifests_without_a_workload_are_refused() -> None:
    with pytest.raises(Refused, match="no workload"):
        wrap(manifests()[-1:], "green", Image())


def test_the_generated_chart_holds_the_objects_word_for_word(tmp_path: Path) -> None:
    objects = [config(a="{{ .Values.not.a.template }}")]
    folder = Path(write_chart(str(tmp_path / "chart"), "api", "v2", objects))
    assert list(yaml.safe_load_all((folder / "objects.yaml").read_text())) == objects
    assert (folder / "templates" / "objects.yaml").read_text() == '{{ .Files.Get "objects.yaml" }}\n'
    assert (folder / "objects.yaml").stat().st_mode & 0o777 == 0o600
