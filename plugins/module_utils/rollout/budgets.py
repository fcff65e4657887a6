# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What keeps a workload from rolling as it should: its own update strategy, or a budget its pods belong to. Pure.

The controllers that roll a workload ask no PodDisruptionBudget, so somebody has to ask before they begin.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import Refused
from ..helm.objects import Obj, labels_of, name_of
from ..kube.readiness import selects
from .model import titled
from .shape import Change

_REMEDY = {
    "paused": "resume it, with spec.paused false",
    "OnDelete": "set its updateStrategy to RollingUpdate",
    "partition": "set updateStrategy.rollingUpdate.partition to 0",
}


def check_rolls(changes: Iterable[Change]) -> None:
    """``Refused`` for a workload whose pods its controller would not replace."""
    for change in changes:
        hindrance = _hindrance(change)
        if hindrance:
            raise Refused(
                f"{titled(change.key)} would keep its old pods: {hindrance}. Nothing was changed",
                where="the update strategy of the workload",
                remedy=next(do for word, do in _REMEDY.items() if word in hindrance),
            )


def _hindrance(change: Change) -> str:
    obj = change.would or change.body
    spec = obj.get("spec") or {}
    strategy = spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if obj["kind"] == "Deployment" and spec.get("paused") and (change.rolls or change.live is None):
        return "it is paused"
    if not change.rolls:
        return ""
    if strategy.get("type") == "OnDelete":
        return "its updateStrategy is OnDelete"
    return f"its partition is {partition}" if obj["kind"] == "StatefulSet" and partition else ""


def broken_by(changes: Iterable[Change], budgets: Sequence[Obj]) -> list[str]:
    """A sentence for each budget that a rollout would break."""
    told = []
    for change in changes:
        if not change.rolls or change.would is None or change.live is None:
            continue
        pods, labels = _pods(change.live), labels_of(change.would["spec"]["template"])
        away = _away(change.would, pods)
        for budget in budgets:
            if not selects(budget["spec"].get("selector") or {"matchExpressions": [_NOTHING]}, labels):
                continue
            allowed = _allowed(budget, pods)
            if away > allowed:
                told.append(
                    f"PodDisruptionBudget {name_of(budget)} lets {allowed} of {pods} pods of {titled(change.key)} "
                    f"be away, and its rollout takes {away}"
                )
    return told


_NOTHING: Mapping[str, Any] = {"key": "runbook.release/nothing", "operator": "Exists"}


def check_budgets(broken: Sequence[str]) -> None:
    if broken:
        raise Refused(
            f"{'; '.join(broken)}. Nothing was changed",
            where="option keep_budgets",
            remedy="let the rollout surge (strategy.max_unavailable 0, strategy.max_surge 1), raise the replicas or "
            "the budget, or set keep_budgets to false",
            budgets=list(broken),
        )


def _pods(live: Obj) -> int:
    if live["kind"] == "DaemonSet":
        return int((live.get("status") or {}).get("desiredNumberScheduled") or 0)
    replicas = live["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _away(workload: Obj, pods: int) -> int:
    """How many pods may be missing at once while it rolls."""
    if workload["kind"] == "Deployment":
        strategy = workload["spec"].get("strategy") or {}
        if strategy.get("type") == "Recreate":
            return pods
        rolling = strategy.get("rollingUpdate") or {}
        surge = _count(rolling.get("maxSurge", "25%"), pods, math.ceil)
        unavailable = _count(rolling.get("maxUnavailable", "25%"), pods, math.floor)
        return min(pods, unavailable if surge or unavailable else 1)
    rolling = (workload["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    surge = _count(rolling.get("maxSurge", 0), pods, math.ceil)
    return min(pods, 0 if surge else max(1, _count(rolling.get("maxUnavailable", 1), pods, math.ceil)))


def _allowed(budget: Obj, pods: int) -> int:
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        return min(pods, _count(spec["maxUnavailable"], pods, math.ceil))
    return max(0, pods - _count(spec.get("minAvailable", 1), pods, math.ceil))


def _count(value: int | str, pods: int, rounded: Any) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return int(rounded(int(value[:-1]) * pods / 100))
    return int(value)
