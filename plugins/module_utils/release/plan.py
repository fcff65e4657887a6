# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A plan: everything a release will do, with a digest over its canonical JSON that approvals sign. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import Refused
from ..policy.rules import read_policy
from . import plan_parts as parts
from .budgets import budgets_of, fits
from .plan_inputs import Inputs, changed, inputs_of, lives, terms_of
from .warmth import Keep

TYPE = "runbook.release/plan"
MIGRATION = ("name", "class", "kind", "database", "to", "image", "description")
NO_WAY_BACK = ("contract", "irreversible")


@dataclass(frozen=True)
class Plan:
    """The plan as it is written and digested."""

    content: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        return parts.hashed(self.content)

    @property
    def inputs(self) -> Inputs:
        return dict(self.content["inputs"])

    @property
    def changes(self) -> bool:
        return any(one["changes"] for one in self.content["components"])

    @property
    def title(self) -> str:
        return f"{self.content['system']} {self.content['version']} in {self.content['environment']}"


def _readable_keep(keep: Mapping[str, Any] | None, *, rolling: bool) -> None:
    if keep and rolling:
        what = "keep_warm is of the colour that was live before, and what rolls has none"
        raise Refused(what, where="release_rollback.keep_warm", remedy="leave it out")
    if keep:
        Keep.of(keep)


def make(given: Mapping[str, Any]) -> Plan:
    """The plan of the options of release_plan; the same options make the same plan, anywhere and at any time."""
    parts.checked(given["components"], given["staged"])
    components = [parts.component(one, given["staged"][one["name"]]) for one in given["components"]]
    shift, witness = given["shift"], given["witness"]
    if not shift["steps"]:
        raise Refused("shift.steps is empty, so no traffic would ever move", remedy="set it, ending with 100")
    rolling = {"rolling": parts.rolling(given["rolling"], given["components"], shift)} if given.get("rolling") else {}
    if not rolling:
        _refuse_mixture(components, given["resumed"])
    heard = parts.is_heard(given["components"], given["staged"], witness["rate"])
    parts.readable(given["components"], given["gates"], heard)
    read_policy(given["rollback"].get("policy") or [])
    _readable_keep(given["rollback"].get("keep_warm"), rolling=bool(rolling))
    first = any(one["first"] for one in components)
    steps = [100] if rolling or first else shift["steps"]
    budgets = [one.report() for one in budgets_of(given["budgets"], shift, rolling=bool(rolling), first=first)]
    fits(given["windows"], budgets)
    content = {
        "type": TYPE,
        **{name: parts.line(given[name]) for name in ("system", "environment", "version", "override", "emergency")},
        "components": components,
        **rolling,
        "shift": {key: shift[key] for key in ("steps", "hold", "drain")},
        "sees": [parts.sight(step, shift["hold"], witness["rate"]) for step in steps],
        "judged": parts.foretold(given["gates"].get("step") or [], shift, witness["rate"], len(components)),
        "witness": {key: witness[key] for key in ("rate", "error_share", "samples")},
        "gates": {gate: [parts.criterion(one) for one in criteria] for gate, criteria in given["gates"].items()},
        "migrations": [{key: parts.line(one.get(key)) for key in MIGRATION} for one in given["migrations"]],
        "backups": [parts.line(one) for one in given["backups"]],
        "windows": given["windows"],
        "freezes": given["freezes"],
        "approvals": {when: dict(roles) for when, roles in given["approvals"].items() if isinstance(roles, Mapping)},
        "rollback": given["rollback"],
        "proven_in": given["proven_in"],
        "about": {name: value for name, value in given["about"].items() if value},
        "typical_seconds": round(given["typical_seconds"]),
        **({"budgets": budgets} if budgets else {}),
    }
    return Plan({**content, "inputs": inputs_of(content)})


def _refuse_mixture(components: Sequence[Mapping[str, Any]], resumed: bool) -> None:
    """A first release has no step to stop at and nothing to go back to, which what is live already must not share."""
    new = [one["name"] for one in components if one["first"]]
    if 0 < len(new) < len(components) and not resumed:
        raise Refused(
            f"{', '.join(new)} would be released for the first time, beside components that are live already",
            where="release_components",
            remedy="release what is new alone first, with only that in release_components",
            first=new,
        )


def expect(plan: Plan, given: Mapping[str, Any], where: str) -> None:
    """Refuse a plan of something else than the options name."""
    for name in ("system", "environment", "version"):
        if given[name] and given[name] != plan.content[name]:
            raise Refused(
                f"This is the plan of {plan.title}, not of {name} {given[name]}",
                where=where,
                remedy="give the path of the right plan",
            )


def agree(approved: Plan, made: Plan, where: str, *, resumed: bool) -> None:
    """Refuse unless both were made from the same; a release under way is not asked again whether it may begin."""
    if resumed:
        found = changed(approved.inputs, made.inputs, lives(approved.inputs) | lives(made.inputs))
    else:
        found = changed(approved.inputs | terms_of(approved.content), made.inputs | terms_of(made.content))
    if found:
        raise Refused(
            f"The approved plan is not what would be released now: {sentences(found)}",
            where=where,
            remedy="put back what was approved, or make a new plan with playbooks/plan.yml and have it approved",
            changed_inputs=found,
        )


def sentences(found: Sequence[Mapping[str, str]]) -> str:
    return "; ".join(one["sentence"] for one in found)
