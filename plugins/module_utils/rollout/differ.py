# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a plan changes, as text before and after; data of Secrets shows only that it differs. Pure."""

from __future__ import annotations

from ..helm.content import masked, to_yaml
from ..helm.objects import Obj, clone
from .model import titled
from .plan import Plan, Return, Step
from .shape import bare

Diff = dict[str, str]


def differences(plan: Plan) -> list[Diff]:
    """One for each object that is written."""
    return [_difference(write) for write in plan.writes if isinstance(write, Step | Return)]


def _difference(write: Step | Return) -> Diff:
    before, after = _sides(write)
    title = titled(write.key)
    return {"before_header": title, "after_header": title, "before": _shown(before), "after": _shown(after)}


def _sides(write: Step | Return) -> tuple[Obj | None, Obj | None]:
    if isinstance(write, Step):
        return write.change.live, write.change.would
    if write.body is None:
        return write.obj, None
    after = clone(write.obj)
    for field, value in write.body.items():
        if field == "spec":
            after["spec"] = {**after.get("spec", {}), **value}
        elif field not in ("apiVersion", "kind", "metadata"):
            after[field] = value
    return write.obj, after


def _shown(obj: Obj | None) -> str:
    return to_yaml([masked(bare(obj))]) if obj else ""
