# SPDX-License-Identifier: GPL-3.0-or-later
"""release_safety, release_drift and release_deadman: what they make of their options."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import Kind
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft
from ansible_collections.runbook.release.plugins.module_utils.ledger.mirror import Mirror
from ansible_collections.runbook.release.plugins.module_utils.release.drift import Part, Ref, fingerprint
from ansible_collections.runbook.release.plugins.module_utils.release.machine import INDEX_BEGUN
from ansible_collections.runbook.release.plugins.modules import release_deadman, release_drift, release_safety

from ..module_utils.helm.scene import FakeEntry, deployment, empty, have, running
from ..module_utils.ledger.cluster import Cluster

Obj = dict[str, Any]
Run = Callable[..., Obj]
SHOP = {"name": "shop", "entry": {"kind": "httproute", "name": "shop"}}
RUN = {"release": "shop-2", "namespace": "ledgers", "lease": "shop-prod", "token": 7, "who": "alice@a"}
INDEX = "shop-prod-index"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_module(module: ModuleType, **options: Any) -> Obj:
        with patch_module_args({"namespace": "shop", **options}), pytest.raises(SystemExit):
            module.main()
        return dict(json.loads(capsys.readouterr().out))

    return run_module


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        (release_safety, {}, "components"),
        (release_safety, {"components": [SHOP], "migrations": [{"name": "x"}]}, "class"),
        (release_safety, {"components": [SHOP], "migrations": [{"name": "x", "class": "drop"}]}, "must be one of"),
        (release_drift, {"state": "checked"}, "one of the following is required: run, system"),
        (release_drift, {"state": "checked", "system": "shop"}, "environment"),
        (release_drift, {"state": "recorded", "run": RUN}, "components"),
        (release_deadman, {"run": RUN, "components": [SHOP]}, "image"),
        (release_deadman, {"image": "x", "components": [SHOP], "system": "a", "environment": "b"}, "run"),
        (release_deadman, {"state": "absent"}, "one of the following is required: run, system"),
    ],
)
def test_bad_input_is_refused(run: Run, module: ModuleType, options: Obj, said: str) -> None:
    result = run(module, **options)
    assert result["failed"]
    assert said in result["msg"]


class Metadata:
    """A cluster of which only names may be asked."""

    def list_metadata(self, kind: Kind, namespace: str) -> list[Obj]:
        return [{"metadata": {"name": f"known-{kind.kind.lower()}"}}]


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A component whose previous colour refers to one Secret that is there and to one that is not."""
    names = [{"secretRef": {"name": "known-secret"}}, {"configMapRef": {"name": "lost"}}]
    workload = deployment("shop-blue", {"app": "shop-blue"}, 1, status=1, containers=[{"name": "a", "envFrom": names}])
    blue = running("blue", "1", ready=1, workloads=(workload,))
    entry = FakeEntry()
    entry.sides, entry.shift = {"blue": blue, "green": empty("green")}, _NoShift  # type: ignore[attr-defined]
    monkeypatch.setattr(release_safety, "kube_client", lambda module: Metadata())
    monkeypatch.setattr(release_safety, "observe_all", lambda client, targets: [have(blue, empty("green"), entry)])


class _NoShift:
    source = ""


def test_a_release_that_is_not_safe_fails_with_everything_it_found(run: Run, first: None) -> None:
    result = run(release_safety, components=[SHOP])
    assert result["failed"]
    assert "ConfigMap lost does not exist any more" in result["msg"]
    assert (result["safe"], [one["kind"] for one in result["findings"]]) == (False, ["configuration"])


def test_a_reason_lets_it_pass_and_is_returned(run: Run, first: None) -> None:
    result = run(release_safety, components=[SHOP], force="CHG-1")
    assert (result.get("failed", False), result["changed"], result["safe"], result["forced"]) == (
        False,
        False,
        False,
        "CHG-1",
    )


SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"}, "data": {}}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A ledger that works, a lock that everybody holds, and a system that is one ConfigMap."""
    cluster = Cluster()
    monkeypatch.setattr(release_drift, "journal", lambda client, run: contextlib.nullcontext())
    known = {Ref.of(SETTINGS): SETTINGS}
    part = Part("blue", "shop-blue", 3, "1", {ref: fingerprint(obj) for ref, obj in known.items()})

    def client(module: Any) -> Cluster:
        cluster.dry_run = module.check_mode
        return cluster

    monkeypatch.setattr(release_drift, "kube_client", client)
    monkeypatch.setattr(release_drift, "observe_all", lambda client, targets: [])
    monkeypatch.setattr(release_drift, "take", lambda client, namespace, components: {"shop": part})
    monkeypatch.setattr(release_drift, "find", lambda client, namespace, refs: (known, set()))
    monkeypatch.setattr(release_drift, "newest_revisions", lambda client, namespace, parts: {"shop-blue": 3})
    return cluster


def test_what_a_release_leaves_is_recorded_with_its_token_and_once(run: Run, cluster: Cluster) -> None:
    given = {"state": "recorded", "components": [SHOP], "run": RUN}
    assert run(release_drift, **given, _ansible_check_mode=True)["changed"]
    assert cluster.objects == {}
    assert run(release_drift, **given)["changed"]
    assert not run(release_drift, **given)["changed"]
    entry = json.loads(cluster.store(INDEX).texts()[-1])
    assert (entry["what"], entry["fence"], entry["who"]) == ("state", 7, "alice@a")
    told = run(release_drift, state="checked", system="shop", environment="prod")
    assert (told["release"], told["drifted"], told["objects"], told["interim"]) == ("shop-2", False, 1, [])


def test_the_index_is_mirrored_beside_the_releases(run: Run, cluster: Cluster, tmp_path: Path) -> None:
    given = {**RUN, "mirror": str(tmp_path / "shop-2")}
    run(release_drift, state="recorded", components=[SHOP], run=given)
    assert Mirror(str(tmp_path / "index")).texts() == cluster.store(INDEX).texts()
    assert not (tmp_path / "shop-2").exists()


def test_a_run_with_a_stale_token_records_nothing(run: Run, cluster: Cluster) -> None:
    begun = {"release": "shop-3", "version": "3", "plan": "", "who": "bob@b"}
    cluster.store(INDEX).append(Draft(INDEX_BEGUN, None, begun, "bob@b", 8))
    result = run(release_drift, state="recorded", components=[SHOP], run=RUN)
    assert result["failed"]
    assert "fencing token 7 is stale" in result["msg"]


@pytest.mark.parametrize("module", [release_drift, release_deadman], ids=["drift", "deadman"])
def test_a_run_that_lost_the_lock_changes_nothing_any_more(
    run: Run, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    def lost(client: Any, run: Any) -> Any:
        raise Refused("bob@b holds the lock")

    monkeypatch.setattr(module, "journal", lost)
    monkeypatch.setattr(release_deadman, "kube_client", lambda module: cluster)
    state = {"state": "recorded", "components": [SHOP]} if module is release_drift else {"state": "absent"}
    assert "bob@b holds the lock" in run(module, **state, run=RUN)["msg"]
    assert not cluster.store(INDEX).texts()


def test_a_change_can_be_accepted_without_a_release(run: Run, cluster: Cluster) -> None:
    cluster.store(INDEX).append(Draft("ended", None, {}, "bob@b", 8))
    given = {"state": "recorded", "components": [SHOP], "system": "shop", "environment": "prod"}
    assert run(release_drift, **given)["changed"]
    entry = json.loads(cluster.store(INDEX).texts()[-1])
    assert (entry["fence"], entry["after"]["release"]) == (8, "")


def test_nothing_is_called_drift_while_a_release_is_under_way(
    run: Run, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(release_drift, state="recorded", components=[SHOP], run=RUN)
    monkeypatch.setattr(release_drift, "find", lambda client, namespace, refs: ({}, set()))
    checked = {"state": "checked", "system": "shop", "environment": "prod"}
    assert run(release_drift, **checked)["drifted"]
    begun = {"release": "shop-3", "version": "3", "plan": "", "who": "bob@b"}
    cluster.store(INDEX).append(Draft(INDEX_BEGUN, None, begun, "bob@b", 8))
    told = run(release_drift, **checked)
    assert (told["drifted"], told["interim"]) == (False, ["shop-3"])
    assert told["findings"][0]["sentence"] == "ConfigMap settings of shop has vanished"


def test_a_run_that_lost_its_lock_makes_no_dead_man(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(client: Any, given: Any) -> Any:
        raise Refused(f"Token {given.token} is stale")

    monkeypatch.setattr(release_deadman, "kube_client", lambda module: None)
    monkeypatch.setattr(release_deadman, "journal", lost)
    result = run(release_deadman, run=RUN, image="x", components=[SHOP])
    assert (result["failed"], result["msg"]) == (True, "Token 7 is stale.")
