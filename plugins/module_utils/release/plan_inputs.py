# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a plan was made from, one short value each, and which of them differ from another plan's. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .budgets import budgets_text
from .plan_parts import Given, hashed, line

DIGEST = "sha256:"
OF_COMPONENT = ("source", "values", "values files", "manifests", "entry", "workloads", "replicas", "smoke")
Inputs = dict[str, str]


def inputs_of(plan: Given) -> Inputs:
    """The inputs of a plan; whoever approved it approved these."""
    found = {name: str(plan[name]) for name in ("system", "environment", "version")}
    found["components"] = ", ".join(one["name"] for one in plan["components"])
    for one in plan["components"]:
        found |= _of_component(one)
    found["shift"] = rolling_text(plan["rolling"]) if "rolling" in plan else shift_text(plan["shift"])
    for gate, criteria in plan["gates"].items():
        found[f"gate {gate}"] = _digest(criteria)
    found["migrations"] = "; ".join(migration_text(one) for one in plan["migrations"])
    found["backups"] = "; ".join(plan["backups"])
    found["witness"] = witness_text(plan["witness"])
    found["rollback"] = _digest(plan["rollback"])
    return found


def terms_of(plan: Given) -> Inputs:
    """Under which terms the release may begin; one that has begun is held to what it releases, not to these."""
    by_digest = {name: _digest(plan[name]) for name in ("windows", "freezes", "approvals", "proven_in")}
    budgets = budgets_text(plan.get("budgets") or [])
    return {**by_digest, "override": plan["override"], "emergency": plan["emergency"], "budgets": budgets}


def _of_component(one: Given) -> Inputs:
    name = one["name"]
    entry = one["entry"]
    placed = {f"{name} workloads": ", ".join(one["workloads"])} if "workloads" in one else {}
    files = ", ".join(f"{file['name']} {file['digest']}" for file in one["values"].get("files") or [])
    return {
        **placed,
        f"{name} source": " ".join(f"{key} {value}" for key, value in one["source"].items()),
        f"{name} values": one["values"]["digest"],
        **({f"{name} values files": files} if files else {}),
        f"{name} manifests": f"{one['target']} {one['manifests']}".strip(),
        f"{name} entry": " ".join(str(entry[key]) for key in ("kind", "namespace", "name") if entry.get(key)),
        f"{name} replicas": "" if one["replicas"] is None else str(one["replicas"]),
        f"{name} smoke": _digest(one["smoke"]),
        f"live {name}": one["live"],
    }


def shift_text(shift: Given) -> str:
    steps = ", ".join(str(step) for step in shift["steps"])
    drain = f", drained for up to {shift['drain']} s" if shift["drain"] else ""
    return f"{steps} % held for {shift['hold']} s each{drain}"


def rolling_text(rolling: Given) -> str:
    """How workloads are changed in place."""
    waves = "; then ".join(", ".join(wave) for wave in rolling["waves"])
    limits = ((rolling.get("surge"), "more"), (rolling.get("unavailable"), "fewer"))
    told = [f"{amount} pods {word}" for amount, word in limits if amount is not None]
    held = f", then held for {rolling['hold']} s"
    way = f"; way back {rolling['way']}"
    return f"in place: {waves}" + (f", with at most {' and '.join(told)}" if told else "") + held + way


def witness_text(witness: Given) -> str:
    tolerated = f", fewer than {witness['error_share']} errors in at least {witness['samples']} answers"
    return f"{witness['rate']} requests per second{tolerated}" if witness["rate"] else ""


def migration_text(one: Given) -> str:
    words = (("by", "kind"), ("of", "database"), ("to", "to"), ("with", "image"))
    how = " ".join(f"{word} {one[key]}" for word, key in words if one.get(key))
    title = f"{one['name']} ({one['class']})" + (f" {how}" if how else "")
    return title + (f": {one['description']}" if one["description"] else "")


def _digest(value: Any) -> str:
    return hashed(value) if value else ""


def changed(before: Mapping[str, str], after: Mapping[str, str], ignored: Collection[str] = ()) -> list[dict[str, str]]:
    """Every input that differs, with a sentence; a component that is new or gone is one change, not seven."""
    partly = _components(before) ^ _components(after)
    skipped = {
        *ignored,
        *(f"{name} {of}" for name in partly for of in OF_COMPONENT),
        *(f"live {name}" for name in partly),
    }
    names = [name for name in {**before, **after} if name not in skipped]
    pairs = [(name, before.get(name, ""), after.get(name, "")) for name in names]
    return [
        {"name": name, "before": old, "after": new, "sentence": _sentence(name, old, new)}
        for name, old, new in pairs
        if old != new
    ]


def _components(inputs: Mapping[str, str]) -> set[str]:
    return set(filter(None, inputs.get("components", "").split(", ")))


def lives(inputs: Mapping[str, str]) -> set[str]:
    """The inputs a release itself changes on its way."""
    return {f"live {name}" for name in _components(inputs)}


def _sentence(name: str, old: str, new: str) -> str:
    title = _title(name)
    if name == "version":
        return f"version {old} → {new}"
    if DIGEST in f"{old}{new}":
        old_target, new_target = (text.partition(DIGEST)[0].strip() for text in (old, new))
        told = f", {old_target} → {new_target}" if old_target and new_target and old_target != new_target else ""
        return f"{title} changed{told}"
    return line(f"{title}: {old or 'none'} → {new or 'none'}")


def _title(name: str) -> str:
    first, _space, rest = name.partition(" ")
    if first == "live":
        return f"live state of {rest}"
    return f"{rest} of {first}" if rest in OF_COMPONENT else name
