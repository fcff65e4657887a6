# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.patches import (
    failed_test,
    is_done,
    is_guarded,
    is_merged,
    managers_of,
    pointer,
    value_at,
)
from hypothesis import given
from hypothesis import strategies as st

VERSION = {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
OLD = {"op": "test", "path": "/spec/weight", "value": 0}


@given(st.lists(st.text(), min_size=1))
def test_a_pointer_leads_back_to_its_value(segments):
    obj = "here"
    for segment in reversed(segments):
        obj = {segment: obj}
    assert value_at(obj, pointer(*segments)) == "here"


@pytest.mark.parametrize(
    ("ops", "guarded"),
    [
        ([], False),
        ([OLD], True),
        ([OLD, {"op": "replace", "path": "/spec/weight", "value": 1}], True),
        ([OLD, {"op": "add", "path": "/metadata/annotations/x", "value": "1"}], True),
        ([{"op": "replace", "path": "/spec/weight", "value": 1}], False),
        ([OLD, {"op": "add", "path": "/spec/rules/-", "value": {}}], False),
        ([OLD, {"op": "add", "path": "/spec/rules/0", "value": {}}], False),
        ([OLD, {"op": "remove", "path": "/spec/rules/0"}], False),
        ([OLD, {"op": "move", "from": "/a", "path": "/b"}], False),
        ([VERSION, {"op": "add", "path": "/spec/rules/-", "value": {}}], True),
        ([VERSION, {"op": "remove", "path": "/spec/rules/0"}], True),
    ],
)
def test_what_may_be_sent_twice(ops, guarded):
    assert is_guarded(ops) is guarded


def test_failed_test_is_the_first_that_does_not_hold():
    obj = {"spec": {"weight": 5, "rules": [{"name": "a"}]}}
    assert failed_test(obj, [OLD]) == ("/spec/weight", 0, 5)
    assert failed_test(obj, [{"op": "test", "path": "/spec/rules/0/name", "value": "a"}]) is None
    assert failed_test(obj, [{"op": "test", "path": "/spec/rules/1/name", "value": "b"}]) == (
        "/spec/rules/1/name",
        "b",
        None,
    )


def test_is_done_looks_at_every_write():
    ops = [
        OLD,
        {"op": "replace", "path": "/spec/weight", "value": 1},
        {"op": "add", "path": "/metadata/annotations/a~1b", "value": "x"},
        {"op": "remove", "path": "/spec/old"},
    ]
    done = {"metadata": {"annotations": {"a/b": "x"}}, "spec": {"weight": 1}}
    assert is_done(done, ops)
    assert not is_done({**done, "spec": {"weight": 1, "old": True}}, ops)
    assert not is_done({**done, "spec": {"weight": 0}}, ops)
    assert not is_done(done, [{"op": "move", "from": "/a", "path": "/spec/weight"}])


def test_managers_of_a_field_inside_an_owned_list():
    def entry(manager, time, fields):
        return {"manager": manager, "time": time, "fieldsV1": fields}

    rules = {"f:spec": {"f:rules": {}}}
    obj = {
        "metadata": {
            "managedFields": [
                entry("helm", "2026-01-01T00:00:00Z", rules),
                entry("kubectl-edit", "2026-02-01T00:00:00Z", rules),
                entry("status-writer", "2026-03-01T00:00:00Z", {"f:status": {}}),
                entry("labeller", "2026-04-01T00:00:00Z", {"f:spec": {"f:hostnames": {}}}),
            ]
        }
    }
    assert managers_of(obj, "/spec/rules/0/backendRefs/1/weight") == [
        "kubectl-edit (2026-02-01T00:00:00Z)",
        "helm (2026-01-01T00:00:00Z)",
    ]
    assert managers_of({"metadata": {}}, "/spec") == []


def test_is_merged_looks_at_every_value_of_a_merge_patch():
    body = {"metadata": {"resourceVersion": "7", "labels": {"a": "b", "old": None}}, "spec": {"all": [1]}}
    done = {"metadata": {"resourceVersion": "9", "labels": {"a": "b", "c": "d"}}, "spec": {"all": [1], "more": 2}}
    assert is_merged(done, body)
    assert not is_merged({**done, "spec": {"all": [1, 2]}}, body)
    assert not is_merged({**done, "metadata": {"labels": {"a": "b", "old": "x"}}}, body)
    assert not is_merged({**done, "metadata": {"labels": {}}}, body)
    assert is_merged({}, {"metadata": {"annotations": {"old": None}}})
    assert not is_merged({"spec": "text"}, {"spec": {"a": 1}})
