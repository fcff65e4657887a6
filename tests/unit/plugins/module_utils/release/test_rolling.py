# SPDX-License-Identifier: GPL-3.0-or-later
"""Components that roll in place: what is asked of rollout, what it says of each, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release.rolling import rolled, unit, unit_name
from ansible_collections.runbook.release.plugins.module_utils.release.unfit import unfit

from .rolled import DIGEST, ROUTE, component, outcome, workload

OVERLAY = {"kind": "kustomize", "path": "/overlay"}
API, WEB = component("api"), component("web", **ROUTE)


def of_overlay(name: str, **more: Any) -> dict[str, Any]:
    return component(name, source={**OVERLAY, "image": f"r.example:5000/{name}"}, **more)


def test_images_are_set_together_whichever_component_they_are_of() -> None:
    queue = component("queue", workloads=[{"kind": "StatefulSet", "name": "queue", "container": "app"}])
    (source,) = unit("shop", "2", [API, queue])["sources"]
    assert source == {
        "kind": "image",
        "images": [
            {"kind": "Deployment", "name": "api", "image": "r.example:5000/api:2"},
            {"kind": "StatefulSet", "name": "queue", "container": "app", "image": "r.example:5000/queue:2"},
        ],
    }


def test_components_of_one_overlay_are_rendered_once() -> None:
    found = unit(
        "shop",
        "2",
        [of_overlay("api"), component("cache", source={"kind": "manifests", "path": "/cache"}), of_overlay("web")],
    )
    assert [(one["kind"], one["path"], len(one["images"])) for one in found["sources"]] == [
        ("kustomize", "/overlay", 2),
        ("manifests", "/cache", 0),
    ]


def test_waves_of_components_are_waves_of_their_workloads() -> None:
    both = component("api", workloads=[{"name": "api"}, {"kind": "StatefulSet", "name": "queue"}])
    later = {**WEB, "after": ["api"]}
    found = unit("shop", "2", [later, both], {"surge": 1, "unavailable": 0, "force": True})
    assert found["waves"] == [["Deployment/api", "StatefulSet/queue"], ["Deployment/web"]]
    assert unit("shop", "2", [WEB, both])["waves"] == [], "all at once"
    assert (found["strategy"], found["force"], "stable" in found) == (
        {"max_surge": 1, "max_unavailable": 0},
        True,
        False,
    )


def test_the_longest_timeout_of_a_component_is_that_of_all() -> None:
    assert unit("shop", "2", [component("api", timeout=900), component("web", timeout=30)])["timeout"] == 900


@pytest.mark.parametrize(("system", "name"), [("shop", "shop"), ("Web_Shop", "web-shop"), ("a" * 70, "a" * 63)])
def test_a_unit_is_called_as_an_object_can_be(system: str, name: str) -> None:
    assert unit_name(system) == name


def test_each_component_is_told_what_becomes_of_its_own_workloads() -> None:
    said = outcome(
        workload("api"),
        workload("web", done="nothing"),
        plan=("change Deployment api: app r.example:5000/api:2", "wait until Deployment web is ready"),
        diff=[{"before_header": "Deployment api", "after_header": "", "before": "one", "after": "two"}],
    )
    found = rolled([API, WEB], said)
    assert found["api"]["plan"] == ["change Deployment api: app r.example:5000/api:2"]
    assert found["web"]["plan"] == ["wait until Deployment web is ready"]
    assert (found["api"]["awaits_traffic"], found["web"]["awaits_traffic"]) == (True, False)
    assert (found["api"]["diff"][0]["after"], found["web"]["diff"]) == ("two", [])
    assert (found["api"]["live"], found["api"]["capacity"], found["api"]["digest"]) == (
        "1",
        {"Deployment/api": 3},
        DIGEST,
    )


def test_what_is_no_workload_belongs_to_the_first_that_renders_anything() -> None:
    diff = {"before_header": "ConfigMap settings", "after_header": "", "before": "", "after": "kind: ConfigMap"}
    said = outcome(workload("web", done="nothing"), plan=("create ConfigMap settings",), diff=[diff]) | {
        "changed": True
    }
    found = rolled([of_overlay("web"), of_overlay("api")], said)
    assert (found["web"]["plan"], found["api"]["plan"]) == (["create ConfigMap settings"], [])
    assert found["web"]["diff"]
    assert all(one["awaits_traffic"] for one in found.values()), "somebody has to release it"


def test_a_component_is_first_while_none_of_its_workloads_is_there() -> None:
    found = rolled([API, WEB], outcome(workload("api", before="", done="created"), workload("web")))
    assert {name: (one["first"], one["live"]) for name, one in found.items()} == {
        "api": (True, ""),
        "web": (False, "1"),
    }


def test_two_workloads_of_two_versions_are_both_told() -> None:
    both = component("api", workloads=[{"name": "api"}, {"name": "more"}])
    more = {**workload("more"), "before": {"app": "r.example:5000/api:0"}}
    assert rolled([both], outcome(workload("api"), more))["api"]["versions"] == ["0", "1"]


def test_an_image_pinned_by_its_digest_is_told_as_it_is() -> None:
    pinned = {**workload("api"), "before": {"app": f"r.example:5000/api@{DIGEST}"}}
    assert rolled([API], outcome(pinned))["api"]["live"] == DIGEST


def test_a_colour_needs_an_entry_and_something_to_ask() -> None:
    told = unfit("bluegreen", [component("api", after=["web"])], {})
    assert [sentence.split(",")[0] for sentence in told] == [
        "Component api has no entry",
        "Component api has no urls",
        "Component api has no identity",
        "Component api has workloads",
        "Component api has after",
    ]


def test_a_worker_that_gets_no_traffic_is_told_where_it_belongs() -> None:
    (sentence,) = unfit("bluegreen", [component("mailer", workloads=[], urls=["u"], identity={"json": "v"})], {}, {})
    assert sentence.endswith("what gets no traffic is named in workers of the component whose colour it follows.")


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (component("api", workloads=[]), "has no workloads"),
        (component("api", entry={"kind": "service"}), "has entry"),
        (component("api", workers=[{"name": "mailer"}]), "has workers, which only release_strategy bluegreen reads"),
        (component("api", urls=ROUTE["urls"]), "one of urls and identity"),
        (
            component("api", source={"kind": "helm", "chart": "x"}),
            "of the kind helm, and release_strategy rolling takes",
        ),
        (component("api", source={"kind": "image"}), "of the kind image without image"),
        (
            component("api", source={"kind": "image", "image": "api", "values_files": ["prod.yaml"]}),
            "has values_files for a source of the kind image, and only a chart has values",
        ),
        (component("api", source={"kind": "manifests"}), "of the kind manifests without path"),
    ],
)
def test_what_cannot_roll_is_told(one: dict[str, Any], said: str) -> None:
    (sentence,) = unfit("rolling", [one], {})
    assert sentence.startswith("Component api ")
    assert said in sentence


def test_everything_that_does_not_fit_is_told_at_once() -> None:
    twice = component("web", workloads=[{"name": "api"}], after=["api", "db"])
    told = unfit("rolling", [{**API, "after": ["web"]}, twice], {"staged": [{}], "live": [{}]})
    assert [sentence.split(",")[0] for sentence in told] == [
        "Deployment api is a workload of two components.",
        "Component web comes after db",
        "Component api after web after api: none of them could begin.",
        "release_gates.staged has criteria",
    ]


def test_components_that_fit_are_not_told() -> None:
    assert unfit("rolling", [{**API, "after": ["db"]}, WEB, of_overlay("db")], {"live": [{}]}) == []
    assert unfit("bluegreen", [{"name": "web", "entry": {"kind": "service"}, **ROUTE}], {"step": [{}]}) == []


def test_a_policy_about_what_nobody_measures_is_told() -> None:
    names = ("error share", "eror share", "health", "no request of web is lost")
    policy = [{"criterion": name, "when": "failed", "action": "rollback"} for name in names]
    gates = {"observe": [{"name": "error share"}], "preflight": [{"name": "eror share"}]}
    coloured = {"name": "web", "entry": {"kind": "service"}, "smoke": [{"name": "health"}], **ROUTE}
    coloured["source"] = {"kind": "helm", "values_files": ["prod.yaml"]}
    assert unfit("bluegreen", [coloured], gates, policy) == [
        "release_rollback.policy is about eror share, and no criterion of the gates step, live, observe is called so."
    ]


def test_a_policy_that_takes_back_alone_what_cannot_be_is_told() -> None:
    policy = [{"when": "all", "action": "rollback"}, *({"component": name} for name in ("web", "db", "db"))]
    assert unfit("rolling", [API, WEB], {}, policy) == [
        "release_rollback.policy takes db back, and no component is called so."
    ]
    coloured = {"name": "web", "entry": {"kind": "service"}, **ROUTE}
    told = unfit("bluegreen", [coloured], {}, policy)
    assert told[0] == "release_rollback.policy takes web back alone, which only release_strategy rolling can."
