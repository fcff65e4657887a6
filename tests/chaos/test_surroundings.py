# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases in an unkind world: an API server that stops or answers badly, a full disk, a ledger edited by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import LABEL
from ansible_collections.runbook.release.plugins.module_utils.release import machine

from .fault_injector import FaultInjector
from .faults import full_disk, stopped_api_server
from .operators import SYSTEM, deploy
from .site import NAMESPACE, OwnWitness, Site
from .test_operators import TAKEOVER, UNWITNESSED, tells
from .test_points import WAY, gates, reached

STOPPED_FOR = 30.0
SPOILT = 0.2
LIVE_AFTER = {"released": 1, "rolled back": 0, "stopped": 0}


def stages() -> list[Any]:
    """The first moment of every leg of both ways."""
    found = {}
    for fails in ("", "gate live"):
        for point in machine.points(WAY, fails):
            if point.what.endswith(": begins") or point.what in (machine.RELEASE_BEGINS, machine.RELEASE_ENDS):
                found.setdefault(point.what, (point, fails))
    return [pytest.param(*case, id=f"API server stopped at: {what}") for what, case in found.items()]


@pytest.mark.parametrize(("point", "fails"), stages())
def test_an_api_server_that_stops_for_a_while_is_waited_for(
    site: Site,
    versions: tuple[str, str],
    point: machine.Point,
    fails: str,
    tell: Callable[..., None],
    tmp_path: Path,
) -> None:
    """A gate that asked during that time may turn the release back; nothing else may come of it."""
    users = OwnWitness(tmp_path / "witness", versions)
    before = site.view()
    with users.asking():
        run = deploy(versions[1], tmp_path, release_lift="chaos", **gates(fails))
        site.until(reached(point, before), run)
        with stopped_api_server(STOPPED_FOR):
            run.wait()
    view = site.view()
    verdict = view.end(view.newest).get("verdict", "")
    tell(outcome=verdict, requests=users.requests)
    assert site.trouble(users) == [], run.said[-6000:]
    assert verdict == "rolled back" if fails else verdict in LIVE_AFTER
    assert site.live() == versions[LIVE_AFTER[verdict]]


def test_an_api_server_that_spoils_a_fifth_of_its_answers(
    site: Site, versions: tuple[str, str], tell: Callable[..., None], tmp_path: Path
) -> None:
    users = OwnWitness(tmp_path / "witness", versions)
    injector = FaultInjector(SPOILT)
    with users.asking(), injector.serving(tmp_path) as kubeconfig:
        run = deploy(versions[1], tmp_path, env={"KUBECONFIG": kubeconfig}, release_lift="chaos")
        run.wait()
    view = site.view()
    verdict = view.end(view.newest).get("verdict", "")
    tell(outcome=verdict, requests=users.requests)
    assert injector.spoilt > 10
    assert site.trouble(users) == [], run.said[-6000:]
    assert site.live() == versions[LIVE_AFTER[verdict]]


def test_a_disk_that_is_full_while_the_ledger_is_mirrored(
    site: Site, versions: tuple[str, str], tell: Callable[..., None], tmp_path: Path
) -> None:
    """Where the mirror lies, a witness of the release would find no room either, so it has none."""
    users = OwnWitness(tmp_path / "witness", versions)
    full = full_disk(tmp_path / "record")
    with users.asking():
        run = deploy(versions[1], tmp_path, prefix=full, release_lift="chaos", **UNWITNESSED)
        run.wait()
    view = site.view()
    verdict = view.end(view.newest).get("verdict", "")
    tell(outcome=verdict, requests=users.requests)
    assert verdict == "released", run.said[-6000:]
    assert "No space left on device; the cluster's ledger has entry" in run.said
    assert site.trouble(users) == []
    assert site.live() == versions[1]


@pytest.mark.sample
def test_a_ledger_edited_by_hand_is_not_gone_on_with(
    site: Site, versions: tuple[str, str], tell: Callable[..., None], tmp_path: Path
) -> None:
    users = OwnWitness(tmp_path / "witness", versions)
    before = site.view()
    with users.asking():
        first = deploy(versions[1], tmp_path, release_lift="chaos")
        site.until(tells(machine.done(machine.stage(SYSTEM)), before), first)
        first.kill()
        release = site.view().newest
        (chunk,) = site.client.list(CONFIGMAP, NAMESPACE, labels=f"{LABEL}={release}")
        name, data = chunk["metadata"]["name"], chunk["data"]
        edited = {"00000002": data["00000002"].replace(SYSTEM, "another")}
        site.client.merge_patch(CONFIGMAP, name, {"data": edited}, NAMESPACE)
        refused = deploy(versions[1], tmp_path, **TAKEOVER)
        assert refused.wait() != 0
        site.client.merge_patch(CONFIGMAP, name, {"data": data}, NAMESPACE)
        second = deploy(versions[1], tmp_path, **TAKEOVER)
        second.wait()
    view = site.view()
    tell(outcome=view.end(view.newest).get("verdict", ""), requests=users.requests)
    assert "entry 2 is altered" in refused.last_words, refused.said[-4000:]
    assert second.process.returncode == 0, second.said[-6000:]
    assert site.trouble(users) == []
