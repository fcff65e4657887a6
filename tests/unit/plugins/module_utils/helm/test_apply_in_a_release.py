# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm operations of a release: under its lock, and not given up while the API server is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.helm.apply import Executor
from ansible_collections.runbook.release.plugins.module_utils.helm.cli import failure
from ansible_collections.runbook.release.plugins.module_utils.helm.persist import persist
from ansible_collections.runbook.release.plugins.module_utils.helm.plan import Install, Plan, Uninstall
from ansible_collections.runbook.release.plugins.module_utils.helm.record import decode, encode
from ansible_collections.runbook.release.plugins.module_utils.helm.rest import Quiet
from ansible_collections.runbook.release.plugins.module_utils.kube.backoff import Pacing
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import SECRET
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal

from ..release.api import Api, begun, stolen
from .scene import shop

AWAY = "Error: UPGRADE FAILED: Kubernetes cluster unreachable: dial tcp 10.0.0.1:6443: connect: connection refused"
BROKEN = "Error: UPGRADE FAILED: values don't meet the specifications of the schema"
REVISION = SECRET.path("shop", "sh.helm.release.v1.shop-green.v4")


@pytest.fixture
def api() -> Api:
    return Api()


def pending(api: Api) -> None:
    """What an upgrade leaves that could not write its outcome."""
    labels = {"owner": "helm", "name": "shop-green", "version": "4", "status": "pending-upgrade", "modifiedAt": "1"}
    record = encode({"name": "shop-green", "info": {"status": "pending-upgrade"}})
    api.put(
        REVISION, {"metadata": {"name": REVISION.rpartition("/")[2], "labels": labels}, "data": {"release": record}}
    )


class FakeHelm:
    """Fails as often as it has complaints; ``meanwhile`` happens during each operation."""

    def __init__(self, *complaints: str, meanwhile: Callable[[], Any] = lambda: None) -> None:
        self.complaints = list(complaints)
        self.meanwhile = meanwhile
        self.calls: list[str] = []

    def upgrade(self, release: str, *arguments: Any) -> str:
        self.calls.append(f"upgrade {release}")
        self.meanwhile()
        if self.complaints:
            raise failure(f"installing release {release}", self.complaints.pop(0), "helm upgrade")
        return ""

    def uninstall(self, release: str, timeout: float) -> str:
        self.calls.append(f"uninstall {release}")
        return ""


def execute(client: Any, helm: FakeHelm, *steps: Any) -> bool:
    quiet = Quiet(client, "shop")
    executor = Executor(client, helm, "shop", time.monotonic() + 60, lambda colour, deadline: None, quiet)  # type: ignore[arg-type]
    return executor.carry_out(Plan("green", steps))


INSTALL = Install(shop("green"), "2", fresh=False)


@pytest.mark.parametrize("step", [INSTALL, Uninstall("shop-green")])
def test_helm_is_not_started_by_a_run_that_lost_its_lock(api: Api, step: Any) -> None:
    client, helm, run = api.client(), FakeHelm(), begun(api)
    with journal(client, run):
        stolen(api)
        with pytest.raises(Refused, match="is stale"):
            execute(client, helm, step)
    assert helm.calls == []


def test_an_upgrade_is_tried_again_after_the_api_server_was_away(api: Api) -> None:
    client = api.client()
    helm = FakeHelm(AWAY, meanwhile=lambda: REVISION in api.objects or pending(api))
    with journal(client, begun(api)):
        assert execute(client, helm, INSTALL)
    assert helm.calls == ["upgrade shop-green"] * 2
    left = api.objects[REVISION]
    assert (left["metadata"]["labels"]["status"], decode(left)["info"]["status"]) == ("failed", "failed")


def test_a_lock_lost_meanwhile_ends_the_attempts(api: Api) -> None:
    client, run = api.client(), begun(api)
    helm = FakeHelm(AWAY, meanwhile=lambda: stolen(api))
    with journal(client, run), pytest.raises(Refused, match="is stale"):
        execute(client, helm, INSTALL)
    assert helm.calls == ["upgrade shop-green"]


@pytest.mark.parametrize(("complaint", "released"), [(BROKEN, True), (AWAY, False)])
def test_what_does_not_pass_fails_at_once(api: Api, complaint: str, released: bool) -> None:
    """A mistake in a chart always, and outside of a release everything."""
    client, helm = api.client(), FakeHelm(complaint)
    with journal(client, begun(api) if released else None), pytest.raises(ReleaseError, match="UPGRADE FAILED"):
        execute(client, helm, INSTALL)
    assert len(helm.calls) == 1


def test_patience_ends(api: Api) -> None:
    helm = FakeHelm(*[AWAY] * 1000)
    pacing = Pacing(api.clock, api.sleep, lambda: 1.0)
    began = api.now
    with pytest.raises(ReleaseError, match="connection refused"):
        persist(api.client(), "shop", "shop-green", lambda: helm.upgrade("shop-green"), pacing)
    assert 30 < (api.now - began).total_seconds() <= 60


def test_what_helm_said_is_not_kept_for_good() -> None:
    error = failure("installing release shop-green", 'Error: parse error near "password: hunter2"', "helm upgrade")
    assert "hunter2" in str(error)
    assert error.record == "Installing release shop-green failed"
