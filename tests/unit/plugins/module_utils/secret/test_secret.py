# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets as they are declared: what is wrong with them, which keys differ, and what is told of that."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict, Refused
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from ansible_collections.runbook.release.plugins.module_utils.secret.declared import criteria, mistakes, unwritten
from ansible_collections.runbook.release.plugins.module_utils.secret.fill import (
    Request,
    decide,
    operate,
    registry_data,
)
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria

REFERENCE = {"environment": "TOKEN"}


def secret(data, ours=(), type_="Opaque", **more):
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    fields = {"f:data": {".": {}, **{f"f:{key}": {} for key in ours}}}
    managed = [{"manager": "runbook.release", "operation": "Apply", "fieldsV1": fields}]
    return {"metadata": {"name": "db", "managedFields": managed}, "type": type_, "data": encoded, **more}


def wanted(type_="Opaque", **data):
    return Request("shop", "db", type_, data)


class Cluster:
    def __init__(self, found=None):
        self.found, self.applied = found, []

    def get(self, kind, name, namespace):
        return self.found

    def apply(self, kind, body, namespace, force):
        self.applied.append((body["data"], force))


@pytest.mark.parametrize(
    ("found", "data", "differs", "keys"),
    [
        (None, {"a": "1"}, True, (("a",), (), ())),
        (secret({"a": "1"}), {"a": "1"}, False, ((), (), ())),
        (secret({"a": "1"}), {"a": "2"}, True, ((), ("a",), ())),
        (secret({"a": "1"}), {"a": "1", "b": "2"}, True, (("b",), (), ())),
        (secret({"a": "1", "theirs": "x"}, ours=["a"]), {"a": "1"}, False, ((), (), ())),
        (secret({"a": "1", "old": "x"}, ours=["a", "old"]), {"a": "1"}, True, ((), (), ("old",))),
        (secret({"a": "ü"}), {"a": "ü"}, False, ((), (), ())),
    ],
)
def test_only_keys_that_differ_are_a_change(found, data, differs, keys):
    plan = decide(found, wanted(**data))
    assert (plan.differs, (plan.added, plan.changed, plan.removed)) == (differs, keys)
    cluster = Cluster(found)
    operate(cluster, wanted(**data), Book())
    assert bool(cluster.applied) is differs


@pytest.mark.parametrize(
    ("found", "request_", "said"),
    [
        (None, wanted(a=""), "nothing to write for a"),
        (None, wanted(), "nothing to write for any key"),
        (secret({"a": "1"}, immutable=True), wanted(a="2"), "immutable"),
        (secret({"a": "1"}, type_="kubernetes.io/tls"), wanted(a="1"), "type cannot change"),
    ],
)
def test_what_cannot_be_written_is_refused(found, request_, said):
    with pytest.raises(Refused, match=said):
        decide(found, request_)


def test_keys_of_others_are_refused_with_the_way_to_take_them_over():
    class Theirs(Cluster):
        def apply(self, kind, body, namespace, force):
            raise Conflict('conflict with "kubectl"')

    with pytest.raises(Refused, match=r'conflict with "kubectl".*set force'):
        operate(Theirs(secret({"a": "1"})), wanted(a="2"), Book())


def test_an_immutable_secret_that_is_as_it_should_be_is_left():
    assert not decide(secret({"a": "1"}, immutable=True), wanted(a="1")).differs


def test_nothing_that_is_told_has_a_value():
    data = {"password": "pl4nted", "same": "s4me"}
    request = wanted(**data)
    plan = decide(secret({"password": "f0rmer", "same": "s4me", "old": "0ld"}, ours=["old"]), request)
    told = json.dumps([plan.report(), plan.diff(data), repr(request)])
    assert [value for value in ("pl4nted", "f0rmer", "s4me", "0ld") if value in told] == []
    assert plan.diff(data) == {
        "before": "old: (a value)\npassword: (a value)\nsame: (kept)\n",
        "after": "password: (another value)\nsame: (kept)\n",
    }


def test_a_login_to_a_registry_is_what_kubelets_read():
    data = registry_data({"server": "ghcr.io", "username": "shop", "password": "t0ken"})
    login = json.loads(data[".dockerconfigjson"])["auths"]["ghcr.io"]
    assert base64.b64decode(login["auth"]).decode() == "shop:t0ken"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"data": {"a": REFERENCE}}, ".name is missing"),
        ({"name": "db"}, "needs exactly one of"),
        ({"name": "db", "keys": ["a"], "data": {"a": REFERENCE}}, "needs exactly one of"),
        ({"name": "db", "data": {"a": "s3cret"}}, ".data.a is no reference"),
        ({"name": "db", "data": {"a": {"value": "s3cret"}}}, ".data.a is no reference"),
        ({"name": "db", "data": {"a": {"environment": "A", "file": "b"}}}, ".data.a is no reference"),
        ({"name": "db", "data": {"a": {"environment": ""}}}, ".data.a.environment is empty"),
        ({"name": "db", "data": {"a": {"vault": {"path": "shop"}}}}, ".data.a.vault.key is missing"),
        ({"name": "db", "data": {"a": {"vault": {"path": "x", "key": "y", "z": 1}}}}, ".vault.z is unknown"),
        ({"name": "db", "registry": {"server": "ghcr.io"}}, ".registry needs server, username, password"),
        ({"name": "db", "keyz": ["a"]}, ".keyz is unknown"),
    ],
)
def test_what_is_declared_wrongly_is_named_and_never_told(given, said):
    found = " ".join(mistakes([given]))
    assert said in found
    assert "s3cret" not in found


def test_a_secret_stands_there_once():
    assert mistakes([{"name": "db", "keys": ["a"]}]) == []
    assert "twice" in " ".join(mistakes([{"name": "db", "keys": ["a"]}] * 2))
    assert mistakes("db") == ["release_secrets is no list of Secrets."]


def test_preflight_asks_for_what_somebody_else_fills_and_for_nothing_else():
    given = [{"name": "db", "keys": ["a", "b"], "clause": "X-001"}, {"name": "own", "data": {"a": REFERENCE}}]
    (criterion,) = parse_criteria(criteria(given))
    assert (criterion.name, criterion.clause) == ("Secret db is there and filled", "X-001")
    assert criterion.source.keys == ("a", "b")


def test_a_task_that_fills_what_nobody_says_how_is_named_with_its_secret():
    tasks = [{"name": "rotate", "secret": {"name": "db"}}, {"name": "look", "check": []}]
    assert unwritten(tasks, [{"name": "db", "data": {"a": REFERENCE}}]) == []
    assert unwritten(tasks, [{"name": "db", "registry": {}}, {"name": "db", "keys": ["a"]}]) == [
        "Task rotate fills the Secret db, and release_secrets does not say where its values are kept. "
        "Do: name one there that has data or registry."
    ]
