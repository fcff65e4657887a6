# SPDX-License-Identifier: GPL-3.0-or-later
"""One colour's selectors and the pods of others."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.helm.selectors import (
    owner_of,
    refuse_early_traffic,
    refuse_foreign_pods,
    refuse_overlap,
    refuse_shared_names,
)
from hypothesis import given
from hypothesis import strategies as st

from .scene import deployment, service, shop

LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), min_size=1)


def pod(labels: dict[str, str], kind: str, name: str) -> dict[str, Any]:
    owner = {"kind": kind, "name": name, "controller": True}
    return {"metadata": {"name": f"{name}-x", "labels": labels, "ownerReferences": [owner]}}


def pdb(name: str, selector: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"selector": selector},
    }


def test_colours_that_differ_pass() -> None:
    refuse_shared_names(shop("green").objects, shop("blue").objects)
    refuse_overlap("green", shop("green").objects, shop("blue").objects)


def test_one_object_in_both_colours_is_refused() -> None:
    with pytest.raises(Refused, match="Both colours render the same object: Service shop"):
        refuse_shared_names([service("shop", {})], [service("shop", {}), service("other", {})])


@pytest.mark.parametrize(
    ("wide", "owner"),
    [
        (service("shop-green", {"app": "shop"}), "Service shop-green"),
        (deployment("shop-green", {"app": "shop"}), "Deployment shop-green"),
        (pdb("shop-green", {"matchLabels": {"app": "shop"}}), "PodDisruptionBudget shop-green"),
        (pdb("all", {}), "PodDisruptionBudget all"),
        (pdb("some", {"matchExpressions": [{"key": "app", "operator": "Exists"}]}), "PodDisruptionBudget some"),
    ],
)
def test_a_selector_that_matches_both_colours_is_refused(wide: dict[str, Any], owner: str) -> None:
    blue = deployment("shop-blue", {"app": "shop", "colour": "blue"})
    with pytest.raises(
        Refused, match=f"selector of {owner} would match the pods of both colours.*Deployment shop-blue"
    ):
        refuse_overlap("green", [wide], [blue])
    with pytest.raises(Refused, match=f"selector of {owner}"):
        refuse_overlap("blue", [blue], [wide])


def test_a_service_without_a_selector_matches_nothing() -> None:
    refuse_overlap("green", [service("external", {})], shop("blue").objects)


@given(mine=LABELS, theirs=LABELS)
def test_overlap_is_refused_exactly_when_one_matches_the_other(mine: dict[str, str], theirs: dict[str, str]) -> None:
    overlap = mine.items() <= theirs.items() or theirs.items() <= mine.items()
    try:
        refuse_overlap("green", [deployment("g", mine)], [deployment("b", theirs)])
    except Refused:
        assert overlap
    else:
        assert not overlap


def test_a_replicaset_stands_for_its_deployment() -> None:
    labels = {"pod-template-hash": "abc"}
    assert owner_of(pod(labels, "ReplicaSet", "shop-blue-abc")) == ("Deployment", "shop-blue")
    assert owner_of(pod({}, "StatefulSet", "db")) == ("StatefulSet", "db")
    assert owner_of(pod({}, "Job", "migrate")) is None


def test_pods_of_another_workload_are_not_to_be_caught() -> None:
    green = [deployment("shop-green", {"app": "shop"})]
    labels = {"app": "shop", "pod-template-hash": "abc"}
    with pytest.raises(Refused, match="would match pods of Deployment legacy"):
        refuse_foreign_pods(green, [], [pod(labels, "ReplicaSet", "legacy-abc")])
    refuse_foreign_pods(green, [], [pod(labels, "ReplicaSet", "shop-green-abc")])
    refuse_foreign_pods(green, [("Deployment", "legacy")], [pod(labels, "ReplicaSet", "legacy-abc")])
    refuse_foreign_pods(green, [], [pod({"app": "shop"}, "Job", "smoke")])


def test_a_serving_service_must_not_reach_the_new_pods() -> None:
    wide = service("shop", {"app": "shop-green"})
    with pytest.raises(Refused, match="Service shop would send traffic to Deployment shop-green before the switch"):
        refuse_early_traffic(shop("green").objects, [wide], {"shop"})
    assert refuse_early_traffic(shop("green").objects, [wide], set()) == [
        "Service shop selects the pods of Deployment shop-green, too"
    ]
    assert refuse_early_traffic(shop("green").objects, [service("shop-green", {"app": "shop-green"})], set()) == []
