# SPDX-License-Identifier: GPL-3.0-or-later
"""The option server: what it demands, what it says in the documentation, and which pod it means."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.runbook.release.plugins.doc_fragments.postgres import ModuleDocFragment
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres import reach
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import (
    SERVER_OPTIONS,
    needs_cluster,
    server_of,
    sslmode_of,
)

Obj = dict[str, Any]


def given(**server: Any) -> Obj:
    """The option as a module gets it."""
    result = ArgumentSpecValidator(SERVER_OPTIONS.options).validate({"server": server})
    if result.error_messages:
        raise ValueError(result.error_messages[0])
    return dict(result.validated_parameters["server"])


@pytest.mark.parametrize(
    ("server", "missing"),
    [
        ({}, "host"),
        ({"mode": "exec", "pod": "pg-0"}, "namespace"),
        ({"mode": "exec", "namespace": "shop"}, "pod, selector"),
        ({"mode": "job", "namespace": "shop"}, "image, cronjob"),
        ({"host": "db", "password": "a", "password_file": "b"}, "mutually exclusive"),
        ({"mode": "exec", "namespace": "shop", "pod": "a", "selector": "b"}, "mutually exclusive"),
    ],
)
def test_what_a_mode_needs_is_demanded(server: Obj, missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        given(**server)


def test_the_documentation_has_the_options_there_are() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["server"]["suboptions"]
    options = SERVER_OPTIONS.options["server"]["options"]
    assert documented.keys() == options.keys()
    for name, option in options.items():
        for part in ("type", "choices", "default"):
            assert documented[name].get(part) == option.get(part), name
    secret = documented["password_secret"]["suboptions"]
    assert secret.keys() == options["password_secret"]["options"].keys()


def test_a_server_names_itself_without_secrets() -> None:
    server = server_of(given(host="db", user="shop", password="secret-one"), None)
    assert server.where == "db:5432"
    assert "secret-one" not in f"{vars(server)}"


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("db.example.com", "verify-full"),
        ("10.0.0.5", "verify-full"),
        ("2001:db8::1", "verify-full"),
        ("localhost", ""),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("/run/postgresql", ""),
    ],
)
def test_a_server_elsewhere_is_verified_unless_that_is_declined(
    host: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    assert sslmode_of(given(host=host)) == mode
    assert sslmode_of(given(host=host, sslmode="prefer")) == "prefer"
    monkeypatch.setenv("PGSSLMODE", "require")
    assert sslmode_of(given(host=host)) == "require"


def test_the_cluster_is_only_needed_when_it_is_on_the_way() -> None:
    assert not needs_cluster(given(host="db"))
    assert needs_cluster(given(host="db", password_secret={"name": "pg", "key": "password"}))
    assert needs_cluster(given(mode="exec", namespace="shop", pod="pg-0"))
    with pytest.raises(Refused, match=r"server\.mode exec needs the cluster"):
        server_of(given(mode="exec", namespace="shop", pod="pg-0"), None)


class Cluster:
    """Has these pods."""

    connection = None

    def __init__(self, *pods: Obj) -> None:
        self.pods = pods

    def get(self, _kind: Any, name: str, _namespace: str) -> Obj | None:
        return next((pod for pod in self.pods if pod["metadata"]["name"] == name), None)

    def list(self, _kind: Any, _namespace: str, labels: str) -> list[Obj]:
        assert labels == "app=pg"
        return list(self.pods)


def pod(name: str, *, ready: bool = True, default: str = "") -> Obj:
    annotations = {reach.DEFAULT_CONTAINER: default} if default else {}
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "exporter"}, {"name": "postgres"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def in_pod(cluster: Any, **more: Any) -> Any:
    return server_of(given(**{"mode": "exec", "namespace": "shop", **more}), cluster)


def test_the_container_is_the_named_one_the_default_one_or_the_first() -> None:
    assert in_pod(Cluster(pod("a")), pod="a").where == "pod shop/a (exporter)"
    assert in_pod(Cluster(pod("a", default="postgres")), pod="a").where == "pod shop/a (postgres)"
    assert in_pod(Cluster(pod("a")), pod="a", container="postgres").where == "pod shop/a (postgres)"
    with pytest.raises(Refused, match=r"no container wrong.*it has exporter, postgres"):
        in_pod(Cluster(pod("a")), pod="a", container="wrong")
    with pytest.raises(Refused, match="there is no pod b"):
        in_pod(Cluster(pod("a")), pod="b")


def test_of_several_ready_pods_the_one_that_is_no_standby_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_is_standby", lambda server: "/b " in server.where)
    three = Cluster(pod("a", ready=False), pod("b"), pod("c"))
    assert in_pod(three, selector="app=pg").where == "pod shop/c (exporter)"
    with pytest.raises(Refused, match=r"2 of 3 ready pods are a primary server: pod shop/a"):
        in_pod(Cluster(pod("a"), pod("b"), pod("c")), selector="app=pg")
    with pytest.raises(Refused, match="0 of 0 ready pods"):
        in_pod(Cluster(pod("a", ready=False)), selector="app=pg")


@pytest.mark.parametrize("way", [{"host": "127.0.0.1"}, {"mode": "exec", "namespace": "shop", "pod": "pg-0"}])
def test_a_cronjob_is_not_run_by_another_mode_and_not_passed_over(way: Obj) -> None:
    with pytest.raises(Refused, match=r"runs no CronJob.*set server\.mode to job"):
        server_of(given(**way, cronjob="nightly"), None)


def test_nothing_can_be_asked_through_a_cronjob() -> None:
    cluster: Any = Cluster()
    with pytest.raises(Refused, match="a CronJob writes its backup itself"):
        server_of(given(mode="job", namespace="shop", cronjob="nightly"), cluster)
