# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of workloads as criteria: what differs is named with its workload, and no secret is ever told."""

from __future__ import annotations

import base64
import json
import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import known_kind
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import measure
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World

PLANTED = "postgres://shop:pl4nted@database/shop"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def from_secret(name, key, variable="DATABASE_URL"):
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


def container(*env, name="app", **more):
    pairs = [one if isinstance(one, dict) else {"name": one[0], "value": one[1]} for one in env]
    return {"name": name, "env": pairs, **more}


def deployment(name, *containers, annotations=None):
    metadata = {"name": name, "namespace": "shop", "labels": {"tier": "api"}}
    template = {"metadata": {"annotations": annotations or {}}, "spec": {"containers": list(containers)}}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


def plain(kind, name, **data):
    return {"kind": kind, "metadata": {"name": name, "namespace": "shop"}, "data": data}


class Cluster:
    def __init__(self, *objects):
        self.objects = [
            plain("Secret", "database", url=encoded(PLANTED), empty="", KEY=encoded("k3y")),
            plain("ConfigMap", "settings", NODE_ENV="production", LOG_LEVEL="debug"),
            *objects,
        ]

    def beside(self, patience):
        return self

    def resolve(self, api_version, kind):
        return known_kind(api_version, kind)

    def get(self, kind, name, namespace=""):
        return next((one for one in self.list(kind, namespace) if one["metadata"]["name"] == name), None)

    def list(self, kind, namespace="", labels="", fields=""):
        return [one for one in self.objects if one["kind"] == kind.kind and namespace in ("", "shop")]


def criterion(**source):
    given = {"kind": "kubernetes", "object_kind": "Deployment", **source}
    entry = {"name": "it", "source": given, "select": "deviations", "aggregate": "sum", "expect": "== 0"}
    return parse_criteria([entry])[0]


def judge(*objects, **source):
    cluster = Cluster(*objects)
    return measure(criterion(**source), World("shop", connect=lambda: cluster), time.monotonic() + 10)


WEB = deployment("web", container(("NODE_ENV", "production"), ("PORT", "3000")))


def test_workloads_as_they_are_wanted_pass():
    verdict = judge(WEB, env={"NODE_ENV": "production", "PORT": 3000})
    assert (verdict.verdict, verdict.observed) == ("pass", 0)


def test_one_verdict_names_each_workload_that_differs():
    others = (
        deployment("cart", container(("NODE_ENV", "development"))),
        deployment("mail", container(("LOG_LEVEL", ""))),
    )
    verdict = judge(WEB, *others, env={"NODE_ENV": "production", "LOG_LEVEL": {"optional": True}})
    assert (verdict.verdict, verdict.observed) == ("fail", 3)
    assert "cart: NODE_ENV is 'development', not 'production'" in verdict.sentence
    assert "mail: NODE_ENV is not set, LOG_LEVEL is empty" in verdict.sentence
    assert "web" not in verdict.sentence


@pytest.mark.parametrize(
    ("env", "wanted", "said"),
    [
        ([from_secret("database", "url")], {"secret": "database", "key": "url"}, ""),
        ([from_secret("database", "url")], {"secret": True}, ""),
        ([from_secret("database", "url")], {"secret": "database", "matches": "@database/"}, ""),
        ([from_secret("database", "url")], {"matches": "@pooler/"}, "does not match @pooler/"),
        ([from_secret("database", "url")], "something", "is another one in Secret database"),
        ([from_secret("database", "url")], {"secret": "vault"}, "comes from Secret database, not from vault"),
        (
            [from_secret("database", "url")],
            {"secret": "database", "key": "dsn"},
            "comes from the key url, not from dsn",
        ),
        ([from_secret("database", "dsn")], {"secret": True}, "comes from Secret database, which has no key dsn"),
        ([from_secret("lost", "url")], {"secret": True}, "comes from Secret lost, which does not exist"),
        ([from_secret("lost", "url")], {"secret": True, "optional": True}, ""),
        ([from_secret("database", "empty")], {"secret": True}, "is empty in Secret database"),
        ([("DATABASE_URL", PLANTED)], {"secret": True}, "does not come from a Secret"),
        ([], {"secret": True}, "is not set"),
        ([], {"secret": True, "optional": True}, ""),
        ([], {"absent": True}, ""),
        ([("DATABASE_URL", PLANTED)], {"absent": True}, "is set"),
    ],
)
def test_a_variable_comes_from_its_secret_and_its_value_is_never_told(env, wanted, said):
    verdict = judge(deployment("api", container(*env)), env={"DATABASE_URL": wanted})
    assert verdict.verdict == ("fail" if said else "pass")
    assert not said or f"api: DATABASE_URL {said}" in verdict.sentence
    told = json.dumps(verdict.report(), default=str)
    assert "pl4nted" not in told
    assert encoded(PLANTED) not in told


def test_what_comes_from_whole_objects_counts_and_what_is_set_by_itself_counts_more():
    origins = [{"configMapRef": {"name": "settings"}}, {"prefix": "API_", "secretRef": {"name": "database"}}]
    api = deployment("api", container(("LOG_LEVEL", "warn"), envFrom=origins))
    wanted = {"NODE_ENV": "production", "LOG_LEVEL": "warn", "API_KEY": {"secret": "database", "key": "KEY"}}
    assert judge(api, env=wanted).verdict == "pass"
    assert "LOG_LEVEL is 'warn', not 'info'" in judge(api, env={"LOG_LEVEL": "info"}).sentence


def test_what_is_known_in_a_pod_only_is_set_and_compared_with_nothing():
    field = {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
    assert judge(deployment("api", container(field)), env={"HOST": {}}).verdict == "pass"
    for wanted in ("10.0.0.1", {"matches": "10"}, {"distinct": True}):
        assert "known in a pod only" in judge(deployment("api", container(field)), env={"HOST": wanted}).sentence


def test_each_workload_has_a_port_of_its_own():
    cart, mail = (deployment(name, container(("PORT", port))) for name, port in (("cart", "3001"), ("mail", "3000")))
    wanted = {"PORT": {"matches": r"^30(0\d|1[0-4])$", "distinct": True}}
    assert judge(WEB, cart, env=wanted).verdict == "pass"
    assert "mail: PORT is the same as that of web" in judge(WEB, cart, mail, env=wanted).sentence
    far = deployment("far", container(("PORT", "3015")))
    assert "far: PORT does not match" in judge(WEB, far, env=wanted).sentence


def test_of_several_containers_it_is_said_which():
    both = (container(("NODE_ENV", "production")), container(name="proxy"))
    assert "it is not said which container" in judge(deployment("api", *both), env={"NODE_ENV": "production"}).sentence
    marked = deployment("api", *both, annotations={"kubectl.kubernetes.io/default-container": "app"})
    assert judge(marked, env={"NODE_ENV": "production"}).verdict == "pass"
    assert judge(deployment("api", *both), env={"NODE_ENV": "production"}, container="app").verdict == "pass"
    assert "has no container web" in judge(deployment("api", *both), env={"A": "b"}, container="web").sentence


def test_requests_and_limits_are_compared_as_quantities():
    has = {"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    database = deployment("db", container(resources=has))
    same = {"requests": {"cpu": 0.25, "memory": "1024Mi"}, "limits": {"cpu": "1000m", "memory": "1Gi"}}
    assert judge(database, resources=same).verdict == "pass"
    other = {"requests": {"cpu": "500m"}, "limits": {"memory": "512Mi", "nvidia.com/gpu": 1}}
    verdict = judge(database, resources=other)
    for said in ("requests.cpu is 250m, not 500m", "limits.memory is 1Gi, not 512Mi", "limits.nvidia.com/gpu is not"):
        assert said in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"env": {"A": {"matchs": "x"}}}, ".env.A.matchs: unknown"),
        ({"env": {"A": None}}, ".env.A: neither"),
        ({"env": {"A": {"matches": "("}}}, ".env.A.matches: is not a regular"),
        ({"env": {"A": {"key": "k", "secret": True}}}, ".env.A.key: needs"),
        ({"env": ["A"]}, ".env: is not a dictionary"),
        ({"resources": {"request": {}}}, ".resources.request: unknown"),
        ({"resources": {"limits": "1"}}, ".resources.limits: not a dictionary"),
    ],
)
def test_what_cannot_be_wanted_is_refused(wrong, said):
    with pytest.raises(ReleaseError, match=said.replace("(", r"\(")):
        criterion(**wrong)


def test_deviations_are_from_something():
    assert judge(WEB).verdict == "error"


def test_nodes_have_at_least_what_the_contract_says():
    def node(name, memory):
        return {"kind": "Node", "metadata": {"name": name}, "status": {"capacity": {"cpu": "16", "memory": memory}}}

    def capacity(select, expect, *nodes):
        source = {"kind": "kubernetes", "object_kind": "Node", "api_version": "v1"}
        entry = {"name": "it", "source": source, "select": select, "aggregate": "min", "expect": expect}
        cluster = Cluster(*nodes)
        return measure(parse_criteria([entry])[0], World("shop", connect=lambda: cluster), time.monotonic() + 10)

    large, small = node("large", "65842912Ki"), node("small", "32778164Ki")
    assert capacity("capacity:memory", ">= 64 GB", large).verdict == "pass"
    assert capacity("capacity:memory", ">= 64 GB", large, small).verdict == "fail"
    assert capacity("capacity:cpu", ">= 16", large).verdict == "pass"
    assert capacity("capacity:nvidia.com/gpu", ">= 1", large).verdict == "insufficient"


def test_workloads_that_are_named_are_there_and_others_do_not_count():
    other = deployment("cart", container(("NODE_ENV", "development")))
    assert judge(WEB, other, names=["web"], env={"NODE_ENV": "production"}).verdict == "pass"
    assert judge(WEB, other, names=["web", "cart"], env={"NODE_ENV": "production"}).verdict == "fail"
    lost = judge(WEB, other, names=["web", "mail"], env={"NODE_ENV": "production"})
    assert lost.verdict == "error"
    assert "mail does not exist" in lost.sentence
