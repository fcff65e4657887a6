# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload is parted from the others by a policy that goes again; what lets them through all the same is named."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.change.draft import Draft, marked
from ansible_collections.runbook.release.plugins.module_utils.change.isolate import isolated, policy_name
from ansible_collections.runbook.release.plugins.module_utils.change.keeper import keeper
from ansible_collections.runbook.release.plugins.module_utils.change.put_back import CREATED, put_back, records_of
from ansible_collections.runbook.release.plugins.module_utils.change.subject import Subject
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import DEPLOYMENT, ROLE
from ansible_collections.runbook.release.plugins.module_utils.release.pod_program import Image

from .scene import LATER, NOW, deployment, patched, want

Obj = dict[str, Any]
API = Subject("Deployment", "api")
LIVE = Subject("Deployment", "api", "blue", "shop")
BASTION = {"podSelector": {"matchLabels": {"app": "bastion"}}}
PATH = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/isolated-deployment-api"
MADE = {"kind": "NetworkPolicy", "name": "isolated-deployment-api", "path": PATH, "at": NOW}


def workload() -> Obj:
    found = deployment()
    found["spec"]["selector"] = {"matchLabels": {"app": "api"}}
    return found


def draft(obj: Obj, *policies: Obj, subject: Subject = API, **allow: Any) -> Draft:
    return isolated(want("isolated", seconds=3600, allow=allow), obj, subject, policies)


def marks(obj: Obj, one: Draft, until: str = LATER) -> Obj:
    created = MADE if one.create else None
    return patched(obj, list(marked(one, want("isolated", seconds=3600), NOW, until, created).ops))


def policy(name: str, selector: Obj, **spec: Any) -> Obj:
    metadata = {"name": name, "annotations": {}}
    return {"kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": selector, **spec}}


def ours(one: Draft) -> Obj:
    found = copy.deepcopy(one.create)
    assert found
    found["metadata"]["annotations"] = {CREATED: NOW}
    return found


def test_nothing_gets_in_or_out_but_what_is_let_through_and_it_goes_with_the_workload() -> None:
    shut = draft(workload())
    assert shut.create
    assert shut.create["spec"] == {
        "podSelector": {"matchLabels": {"app": "api"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [],
    }
    assert shut.create["metadata"]["ownerReferences"][0]["uid"] == "uid-api"
    assert shut.sentences() == [
        "create NetworkPolicy isolated-deployment-api for Deployment api: nothing gets in or out"
    ]
    ajar = draft(workload(), **{"from": [BASTION]})
    assert ajar.create
    assert (ajar.create["spec"]["ingress"], ajar.create["spec"]["egress"]) == (
        [{"from": [BASTION]}],
        [],
    )
    assert ajar.sentences()[0].endswith("nothing but the given peers in ingress")


def test_at_its_time_the_policy_goes_and_the_workload_has_no_trace_of_it() -> None:
    before = workload()
    during = marks(before, draft(before))
    assert records_of(during)["isolated"]["created"] == MADE
    assert put_back(during, lambda record: False).ops == []
    undone = put_back(during, lambda record: True)
    assert (undone.made, undone.said) == ([MADE], ["NetworkPolicy isolated-deployment-api is removed"])
    assert patched(during, undone.ops)["metadata"].get("annotations") in ({}, None)


def test_the_job_may_remove_that_policy_and_no_other() -> None:
    during = marks(workload(), draft(workload()))
    program = keeper(DEPLOYMENT, during, "shop", records_of(during), Image("registry/python:3"))
    rules = next(body["rules"] for kind, body, _name in program.objects() if kind is ROLE)
    assert {(*one["resources"], *one["resourceNames"], *one["verbs"]) for one in rules} == {
        ("deployments", "api", "get", "patch"),
        ("networkpolicies", "isolated-deployment-api", "get", "delete"),
    }


def test_a_second_time_only_lengthens_it() -> None:
    first = draft(workload())
    during = marks(workload(), first)
    again = draft(during, ours(first))
    assert again.create is None
    longer = marks(during, again, until="2026-11-21T20:00:00Z")
    assert records_of(longer)["isolated"] == {**records_of(during)["isolated"], "until": "2026-11-21T20:00:00Z"}


def test_a_policy_of_others_or_with_other_peers_is_refused() -> None:
    first = draft(workload())
    with pytest.raises(Refused, match="nobody would remove it"):
        draft(workload(), ours(first))
    with pytest.raises(Refused, match="lets others through"):
        draft(marks(workload(), first), ours(first), **{"from": [BASTION]})


def test_policies_that_let_others_through_all_the_same_are_named() -> None:
    mine, other = {"matchLabels": {"app": "api"}}, {"matchLabels": {"app": "other"}}
    warnings = draft(
        workload(),
        policy("web", mine, ingress=[{}]),
        policy("dns", {}, policyTypes=["Egress"], egress=[{"ports": [{"port": 53}]}]),
        policy("deny", {}, policyTypes=["Ingress", "Egress"]),
        policy("away", other, ingress=[{}]),
        subject=LIVE,
    ).warnings
    assert [text.split(" lets ")[0] for text in warnings[:-1]] == ["NetworkPolicy web", "NetworkPolicy dns"]
    assert "traffic from others" in warnings[0]
    assert "traffic to others" in warnings[1]
    assert warnings[-1] == "A release of shop in this time brings pods that are not isolated"


def test_for_good_it_is_refused_and_long_names_stay_apart() -> None:
    with pytest.raises(Refused, match="isolates for good"):
        want("isolated")
    names = {policy_name({"kind": "Deployment", "metadata": {"name": "a" * 250 + end}}) for end in "bc"}
    assert len(names) == 2
    assert all(len(name) <= 253 for name in names)
