# SPDX-License-Identifier: GPL-3.0-or-later
"""What one looks at first, out of objects as the API server lists them; on a real one in tests/cluster_cases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.errors import Forbidden
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import EVENT, HPA, POD, SERVICE, Kind
from ansible_collections.runbook.release.plugins.module_utils.kube.overview import POD_USE, overview, summary
from ansible_collections.runbook.release.plugins.modules import namespace_info

Obj = dict[str, Any]


class Lists:
    """What there is, by kind; a kind that is forbidden is an error."""

    def __init__(self, found: dict[Kind, list[Obj]], forbidden: tuple[Kind, ...] = ()) -> None:
        self.found, self.forbidden = found, forbidden

    def list(self, kind: Kind, namespace: str = "") -> list[Obj]:
        assert namespace == ("shop" if kind.namespaced else "")
        if kind in self.forbidden:
            raise Forbidden(f"{kind.resource} is forbidden")
        return self.found.get(kind, [])


def named(name: str, **more: Any) -> Obj:
    return {"metadata": {"name": name, "namespace": "shop"}, **more}


def pod(name: str, ready: bool = True) -> Obj:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    return named(name, spec={"nodeName": "node"}, status=status)


def event(name: str, at: str) -> Obj:
    about = {"kind": "Pod", "name": name}
    return named(
        f"{name}.{at}", involvedObject=about, lastTimestamp=at, type="Warning", reason="BackOff", message="again\n"
    )


def seen(found: dict[Kind, list[Obj]], *forbidden: Kind, events: int = 50) -> Obj:
    return overview(Lists(found, forbidden), "shop", events)  # type: ignore[arg-type]


def test_pods_that_are_ready_are_counted() -> None:
    assert summary(seen({POD: [pod("a"), pod("b", ready=False)]})) == ["1 of 2 pods are ready"]


def test_the_newest_events_are_kept_in_their_order() -> None:
    events = [event("a", f"2026-11-21T16:0{minute}:00Z") for minute in (3, 1, 2)]
    told = seen({EVENT: events}, events=2)["events"]
    assert [line[:20] for line in told] == ["2026-11-21T16:02:00Z", "2026-11-21T16:03:00Z"]
    assert told[0].endswith("Warning x1 Pod/a BackOff: again")


def test_a_service_without_pods_and_an_autoscaler_without_room_are_named() -> None:
    services = [named("web", spec={"selector": {"app": "web"}}), named("outside", spec={"type": "ExternalName"})]
    autoscaler = named("web", spec={"maxReplicas": 3}, status={"desiredReplicas": 3})
    assert summary(seen({SERVICE: services, HPA: [autoscaler]}))[1:] == [
        "Service web has no pods behind it",
        "HorizontalPodAutoscaler web is at its maximum",
    ]


def test_what_must_not_be_read_is_named_and_hides_nothing_else() -> None:
    told = seen({POD: [pod("a")]}, POD_USE, HPA)
    assert [one["name"] for one in told["pods"]] == ["a"]
    assert [line.split(":")[0] for line in told["unreadable"]] == [
        "horizontalpodautoscalers.autoscaling",
        "pods.metrics.k8s.io",
    ]
    assert summary(told)[1].startswith("could not be read: horizontalpodautoscalers.autoscaling")


def test_the_module_changes_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(namespace_info, "kube_client", lambda module: Lists({POD: [pod("a")]}))
    with patch_module_args({"namespace": "shop", "_ansible_check_mode": True}), pytest.raises(SystemExit):
        namespace_info.main()
    told = json.loads(capsys.readouterr().out)
    assert (told["changed"], told["summary"]) == (False, ["1 of 1 pods are ready"])
