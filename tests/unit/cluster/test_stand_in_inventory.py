# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory that releases all systems on their stand-ins is that of production, and what it points to is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.helm.cli import Helm
from ansible_collections.runbook.release.plugins.module_utils.helm.selectors import refuse_overlap, refuse_shared_names
from ansible_collections.runbook.release.plugins.module_utils.helm.source import Prepared, Source, Workshop, prepare
from ansible_collections.runbook.release.plugins.module_utils.policy.rules import read_policy
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.observation import looks
from app.settings import read
from cluster.catalogue import stand_in_names
from cluster.plan import STAND_IN_TAGS

ROOT = Path(__file__).resolve().parents[3]
STAND_INS = ROOT / "tests" / "stand_ins"
SYSTEMS = sorted(path.stem for path in (STAND_INS / "surroundings").glob("*.yml"))
EXTRA = {"release_version": "1.6.0", "ansible_playbook_python": "/usr/bin/python3", "release_record": "/records"}
CLUSTER = {"GATEWAY_ADDRESS": "10.0.0.1", "GATEWAY_CA": "/ca", "KUBECONFIG": "/kubeconfig", "CHARTS": "/charts"}
OVERRIDDEN = {
    "_namespace",
    "_registry",
    "_api",
    "_database_secret",
    "_maintenance_windows",
    "criteria_left_out_here",
    "task_without",
}
OVERRIDDEN_RELEASE = {"alerting", "approvals", "backups", "databases", "gates", "namespace", "observation", "rollback"}
OVERRIDDEN_RELEASE |= {"secrets", "shift", "windows"}

Obj = dict[str, Any]


@cache
def inventory(name: str) -> Mapping[str, Any]:
    program = ROOT / "tests" / "unit" / "templated_inventory.py"
    argv = [sys.executable, str(program), str(ROOT / "inventories" / name), json.dumps(EXTRA)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env={**os.environ, **CLUSTER})
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def here(system: str) -> Mapping[str, Any]:
    return dict(inventory("local-five")[system])


def objects(*paths: Path) -> list[Obj]:
    return [obj for path in paths for obj in yaml.safe_load_all(path.read_text("utf-8")) if obj]


def surroundings(system: str) -> list[Obj]:
    return objects(STAND_INS / "surroundings" / f"{system}.yml")


def containers(found: list[Obj]) -> Iterator[Obj]:
    for obj in found:
        if obj["kind"] == "Deployment":
            yield from obj["spec"]["template"]["spec"]["containers"]


def test_it_has_the_hosts_of_production() -> None:
    assert sorted(inventory("local-five")) == sorted(inventory("prod")) == SYSTEMS


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_host_sets_only_what_another_cluster_makes_necessary(system: str) -> None:
    path = ROOT / "inventories" / "local-five" / "host_vars" / system / "this_cluster.yml"
    own = set(yaml.safe_load(path.read_text("utf-8")))
    addresses = {name for name in own if name.startswith("criteria_") and isinstance(here(system)[name], str)}
    assert own - addresses <= OVERRIDDEN | {f"release_{name}" for name in OVERRIDDEN_RELEASE}


@pytest.mark.parametrize("system", SYSTEMS)
def test_components_are_those_of_production(system: str) -> None:
    def kept(one: Obj) -> Obj:
        same = ("name", "workloads", "replicas", "timeout", "entry", "port", "identity", "smoke")
        return {name: one.get(name) for name in same} | {"kind": one["source"]["kind"]}

    components = [inventory(name)[system]["release_components"] for name in ("local-five", "prod")]
    assert [kept(one) for one in components[0]] == [kept(one) for one in components[1]]


@pytest.mark.parametrize("system", SYSTEMS)
def test_gates_are_those_of_production_without_what_is_left_out(system: str) -> None:
    mine, production = here(system), inventory("prod")[system]
    for gate, criteria in production["release_gates"].items():
        left = mine["release_gates"][gate]
        assert len(parse_criteria(left)) == len(left)
        asked = {one["name"]: one for one in criteria}
        assert all(one["expect"] == asked[one["name"]]["expect"] for one in left)
        gone = {one["name"] for one in criteria if one["source"]["kind"] in ("http", "service", "kubernetes")}
        assert gone - {one["name"] for one in left} <= set(mine["criteria_left_out_here"])
    names = {one["name"] for criteria in production["release_gates"].values() for one in criteria}
    assert set(mine["criteria_left_out_here"]) <= names
    assert [reason for reason in mine["criteria_left_out_here"].values() if len(reason) < 20] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_rules_are_those_of_production_in_their_order(system: str) -> None:
    mine = here(system)
    policy = mine["release_rollback"]["policy"]
    production = inventory("prod")[system]["release_rollback"]["policy"]
    assert policy == [rule for rule in production if rule in policy]
    read_policy(policy)
    assert looks(mine["release_observation"])
    observed = {one["name"] for one in mine["release_gates"]["observe"]}
    assert {rule["criterion"] for rule in policy if "criterion" in rule} <= observed


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_a_source_points_to_is_there(system: str) -> None:
    for component in here(system)["release_components"]:
        source = component["source"]
        if source["kind"] != "image":
            assert Path(source.get("path") or source["chart"]).is_dir()
            assert all(Path(path).is_file() for path in source.get("values_files", []))


def prepared_in(folder: Path, mine: Mapping[str, Any], component: Obj, source: Obj) -> Prepared:
    helm = Helm(str(Path(sys.executable).parent / "helm"), mine["release_cluster"]["namespace"])
    workshop = Workshop(str(folder), helm, component["name"], EXTRA["release_version"])
    return prepare(Source.of(source), workshop)


def installed(folder: Path, component: Obj, **more: Any) -> tuple[int, Obj]:
    """The replicas and the container of a component of PEA."""
    folder.mkdir()
    prepared = prepared_in(folder, here("pea"), component, {**component["source"], **more})
    (spec,) = (obj["spec"] for obj in prepared.render("green").objects if obj["kind"] == "Deployment")
    (container,) = spec["template"]["spec"]["containers"]
    return spec["replicas"], container


def test_the_values_file_of_production_reaches_what_is_installed(tmp_path: Path) -> None:
    for component in here("pea")["release_components"]:
        name, source = component["name"], component["source"]
        (path,) = source["values_files"]
        asked = yaml.safe_load(Path(path).read_text("utf-8"))[name]
        replicas, container = installed(tmp_path / name, component)
        assert replicas == component["replicas"]
        assert container["image"] == f"{source['image']}:{EXTRA['release_version']}"
        assert container["resources"]["limits"] == asked["resources"]["limits"]
        assert container["resources"]["requests"] == {"cpu": "10m", "memory": "32Mi"}
        assert asked.get("env", {}).items() <= {one["name"]: one.get("value") for one in container["env"]}.items()
        assert ("DB_POOL_SIZE" in asked.get("env", {})) == (name == "backend")


def test_a_later_values_file_wins_and_the_values_of_the_source_win_over_all(tmp_path: Path) -> None:
    component = here("pea")["release_components"][0]
    for name, pool in (("one", "1"), ("two", "2")):
        text = {"env": {"POOL": pool, name: "set"}, "replicaCount": 9, "image": {"tag": "prod"}}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"backend": text}), "utf-8")
    for order, pool in (("one two", "2"), ("two one", "1")):
        files = [str(tmp_path / f"{name}.yaml") for name in order.split()]
        replicas, container = installed(tmp_path / order, component, values_files=files)
        environment = {one["name"]: one.get("value") for one in container["env"]}
        assert [environment[name] for name in ("POOL", "one", "two")] == [pool, "set", "set"]
        assert (replicas, container["image"].rpartition(":")[2]) == (3, EXTRA["release_version"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_colours_of_a_component_live_side_by_side(system: str, tmp_path: Path) -> None:
    mine = here(system)
    for component in mine["release_components"] if mine.get("release_strategy") != "rolling" else []:
        folder = tmp_path / component["name"]
        folder.mkdir()
        prepared = prepared_in(folder, mine, component, component["source"])
        blue, green = (prepared.render(colour).objects for colour in ("blue", "green"))
        refuse_shared_names(blue, green)
        refuse_overlap("blue", blue, green)
        (service,) = (obj for obj in blue if obj["kind"] == "Service")
        assert service["metadata"]["name"] == f"{component['name']}-blue"
        assert service["spec"]["ports"][0]["port"] == component["port"]
        if component["entry"]["kind"] == "service":
            entries = [obj for obj in surroundings(system) if obj["metadata"]["name"] == component["entry"]["name"]]
            assert [obj["spec"]["selector"] for obj in entries] == [service["spec"]["selector"]]


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_overlay_has_every_workload_of_its_components(system: str) -> None:
    for component in here(system)["release_components"]:
        if component["source"]["kind"] != "kustomize":
            continue
        overlay = Path(component["source"]["path"])
        (kustomization,) = objects(overlay / "kustomization.yaml")
        (base,) = objects(overlay / kustomization["resources"][0] / "kustomization.yaml")
        found = objects(*(overlay / kustomization["resources"][0] / name for name in base["resources"]))
        assert kustomization["namespace"] == here(system)["release_cluster"]["namespace"]
        names = {kustomization["namePrefix"] + obj["metadata"]["name"] for obj in found if obj["kind"] == "Deployment"}
        assert {workload["name"] for workload in component["workloads"]} <= names
        assert component["source"]["image"] in {image["name"] for image in kustomization["images"]}


@pytest.mark.parametrize("system", SYSTEMS)
def test_workloads_that_are_changed_in_place_are_there(system: str) -> None:
    deployments = {obj["metadata"]["name"]: obj for obj in surroundings(system) if obj["kind"] == "Deployment"}
    for component in here(system)["release_components"]:
        if component["source"]["kind"] != "image":
            continue
        for workload in component["workloads"]:
            found = deployments[workload["name"]]
            (container,) = found["spec"]["template"]["spec"]["containers"]
            assert container["name"] == workload["container"]
            assert container["image"].rpartition(":")[0] == component["source"]["image"]
            assert found["spec"]["replicas"] == component.get("replicas", 1)


@pytest.mark.parametrize("system", SYSTEMS)
def test_addresses_are_ports_of_the_node_that_lead_somewhere(system: str) -> None:
    mine = here(system)
    urls = [url["url"] for one in mine["release_components"] for url in one.get("urls", [])]
    urls += [one["source"]["url"] for gate in mine["release_gates"].values() for one in gate if "url" in one["source"]]
    asked = {int(port) for url in urls for port in re.findall(r"^http://10\.0\.0\.1:(\d+)/", url)}
    assert len(asked) > 0
    assert all(url.startswith("http://10.0.0.1:") for url in urls)
    given = {
        port["nodePort"]
        for obj in surroundings(system)
        if obj["kind"] == "Service"
        for port in obj["spec"]["ports"]
        if "nodePort" in port
    }
    routed = {8000} if any(obj["kind"] == "HTTPRoute" for obj in surroundings(system)) else set()
    assert asked == given | routed


def test_every_port_of_the_node_is_given_once() -> None:
    given = re.findall(r"nodePort: (\d+)", "".join(path.read_text() for path in STAND_INS.rglob("surroundings/*.yml")))
    assert len(given) == len(set(given)) > 5


def test_everything_runs_a_part_of_a_system_in_an_image_that_is_made() -> None:
    manifests = [
        *(STAND_INS / "checkouts").rglob("kubernetes/**/*.yaml"),
        *(STAND_INS / "checkouts").rglob("base/*.yaml"),
    ]
    documents = [one for path in manifests for one in objects(path) if isinstance(one, dict) and "kind" in one]
    found = [*documents, *(one for system in SYSTEMS for one in surroundings(system))]
    made = {f"localhost/{name}" for name in (*stand_in_names(), "stand-in")}
    for container in containers(found):
        name, _colon, tag = container["image"].partition(":")
        assert name in made
        assert tag in ("", *STAND_IN_TAGS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_container_is_probed_where_its_part_answers(system: str) -> None:
    for container in containers(surroundings(system)):
        environment = {one["name"]: one["value"] for one in container["env"]}
        config = environment["APP_CONFIG"].replace("/srv", str(STAND_INS))
        part = read({**environment, "APP_CONFIG": config, "APP_VERSION": "1.6.0"})
        assert part.endpoints[container["readinessProbe"]["httpGet"]["path"]].method == "GET"
        assert container["ports"][0]["containerPort"] == part.port
