# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The page of a plan: what an approver reads in a minute, most important first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..policy.rules import rule_text
from .budgets import budgets_text
from .plan import NO_WAY_BACK, Plan
from .plan_inputs import migration_text, rolling_text, shift_text, witness_text
from .plan_parts import line
from .terms import about_text
from .warmth import keep_text

Content = Mapping[str, Any]

INDENT = "  "
FEW = 8


def page(plan: Plan) -> str:
    """Markdown that also reads well as it is."""
    content = plan.content
    blocks = [
        [f"# {plan.title}", "", _summary(plan), "", f"Plan {plan.digest}"],
        _section("Look at this first", list(_alarms(content))),
        _section(
            "What changes",
            [sentence for one in content["components"] for sentence in _component(one, content["version"])],
        ),
        _section("How it goes", list(_course(content))),
        _section("Way back", list(_way_back(content))),
        _section("When and who", list(_when_and_who(content))),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _section(title: str, sentences: Iterable[str]) -> list[str]:
    bullets = [f"{INDENT if text.startswith(INDENT) else ''}- {text.strip()}" for text in sentences]
    return [f"## {title}", "", *bullets] if bullets else []


def _summary(plan: Plan) -> str:
    content = plan.content
    changing = [one["name"] for one in content["components"] if one["changes"]]
    if not changing:
        return "Nothing changes: this version carries the traffic already."
    traffic = "This is a first release: nothing is live yet."
    if "rolling" in content:
        traffic = f"Pods are replaced {rolling_text(content['rolling'])}."
    elif not any(one["first"] for one in content["components"]):
        traffic = f"Traffic moves by {shift_text(content['shift'])}."
    number = _count(len(content["components"]), "component")
    return f"{len(changing)} of {number} to change. {traffic} {_duration(content)}"


def _duration(content: Content) -> str:
    if content["typical_seconds"]:
        return f"It takes up to {_minutes(content['typical_seconds'])}, as earlier releases did."
    held = content["shift"]["hold"] * len(content["sees"])
    return f"No earlier release tells how long it takes; its gates alone are held for {_minutes(held)}."


def _alarms(content: Content) -> Iterator[str]:
    if content["emergency"]:
        yield f"EMERGENCY: {content['emergency']}"
    if content["override"]:
        yield f"OUTSIDE OF A WINDOW: {content['override']}"
    for one in content["migrations"]:
        if one["class"] in NO_WAY_BACK:
            yield f"NO WAY BACK after the migration {migration_text(one)}"
    if any(one["class"] in NO_WAY_BACK for one in content["migrations"]) and not content["backups"]:
        yield "NO BACKUP is taken before a migration that cannot be taken back"
    changing = any(one["changes"] for one in content["components"])
    if changing and not content["witness"]["rate"]:
        yield "NO WITNESS: nobody counts lost requests or errors of the new version"
    elif changing:
        yield from _too_few(content)
    yield from (sentence for one in content["components"] if "workloads" in one for sentence in _too_small(one))


def _too_small(one: Content) -> Iterator[str]:
    for workload, count in one["capacity"].items():
        if one["replicas"] and count < one["replicas"]:
            yield f"TOO FEW PODS of {one['name']}: {workload} has {count}, and {one['replicas']} are asked for"


def _too_few(content: Content) -> Iterator[str]:
    samples = content["witness"]["samples"]
    for step in content["sees"]:
        if step["answers"] < samples:
            yield f"TOO FEW ANSWERS at {step['weight']} %: about {step['answers']}, and the gate needs {samples}"


def _component(one: Content, version: str) -> Iterator[str]:
    live = one["live"] or "nothing live"
    if not one["changes"]:
        yield f"{one['name']}: stays, {live}"
        return
    yield f"{one['name']}: {live} → {' '.join(filter(None, (one['target'], version)))}"
    details = [", ".join(_parts(one)), *_pods(one), *one["steps"], *one["differs"]]
    yield from (f"{INDENT}{detail}" for detail in details)


def _parts(one: Content) -> Iterator[str]:
    source, keys = one["source"], one["values"]["keys"]
    yield " ".join(source[key] for key in ("kind", "chart", "chart_version") if key in source)
    if "image" in source:
        yield f"image {source['image']}"
    if keys:
        yield f"values {', '.join(keys)}" if len(keys) <= FEW else _count(len(keys), "value")
    if files := one["values"].get("files"):
        yield f"values of {', '.join(file['name'] for file in files)}"
    yield ", ".join(one["workloads"]) if "workloads" in one else f"entry {one['entry']['kind']} {one['entry']['name']}"


def _pods(one: Content) -> list[str]:
    pods = [f"{workload} {count}" for workload, count in one["capacity"].items()]
    return [f"pods: {', '.join(pods)}"] if pods else []


def _course(content: Content) -> Iterator[str]:
    if budgets := content.get("budgets"):
        yield f"Its stages may take {budgets_text(budgets)}"
        if stops := ", ".join(one["stage"] for one in budgets if one["stops"]):
            yield f"Stopped before any traffic when one of {stops} takes longer"
    yield from (f"Backup {one}" for one in content["backups"])
    yield from (f"Migration {migration_text(one)}" for one in content["migrations"])
    smoke = [criterion for one in content["components"] for criterion in one["smoke"]]
    yield from _gate("Before any traffic", [*smoke, *content["gates"].get("staged", [])])
    for step in content["sees"]:
        sees = f"about {step['answers']} answers, sees an error share of {step['sees']} or more"
        told = sees if step["sees"] else "seen by nobody"
        yield f"{step['weight']} % of the traffic for {content['shift']['hold']} s: {told}"
    for one in content["judged"]:
        yield from (f"Judge of {one['name']}: {sentence}" for sentence in one["steps"])
    if watching := witness_text(content["witness"]):
        yield f"Witness: no request lost, {watching}"
    yield from _gate("At each step", content["gates"].get("step", []))
    yield from _gate("At the end", [*smoke, *content["gates"].get("live", [])])


def _gate(title: str, criteria: list[Content]) -> Iterator[str]:
    if criteria:
        yield f"{title}: {'; '.join(_criterion(one) for one in criteria)}"


def _criterion(one: Content) -> str:
    clause = f" ({one['clause']})" if "clause" in one else ""
    expected = f" {one['expect']}" if "expect" in one else ""
    return f"{one['name']}{clause}{expected}{', advisory' if one.get('severity') == 'advisory' else ''}"


def _way_back(content: Content) -> Iterator[str]:
    for one in content["components"]:
        if one["changes"]:
            yield f"{one['name']}: {_way_of(one)}"
    final = [one["name"] for one in content["migrations"] if one["class"] in NO_WAY_BACK]
    if final:
        yield f"Only before {final[0]} has run; afterwards a fixed version has to be released"
    if keep := content["rollback"].get("keep_warm"):
        yield line(f"The version before {keep_text(keep)}")
    yield from (line(f"Observed: {rule_text(one)}") for one in content["rollback"].get("policy") or [])


def _way_of(one: Content) -> str:
    if "workloads" in one:
        return f"rolls back to {one['live']}" if one["live"] else "its workloads are deleted, for there are none yet"
    return f"the traffic returns to {one['live']}" if one["live"] else "none, for nothing is live yet"


def _when_and_who(content: Content) -> Iterator[str]:
    for one in content["windows"]:
        yield f"Window {one.get('rrule')} {one.get('timezone')}, open for {one.get('duration')}"
    for one in content["freezes"]:
        yield f"Freeze {one.get('from')} to {one.get('to')}: {one.get('reason')}"
    if not content["windows"]:
        yield "At any time" + (" outside of these" if content["freezes"] else "")
    for when, roles in content["approvals"].items():
        yield f"Approvals {when}: {', '.join(f'{role} ({count})' for role, count in roles.items()) or 'none'}"
    if not content["approvals"]:
        yield "Nobody has to approve"
    if followed := about_text(content["about"]):
        yield line(followed)
    if proof := content["proven_in"]:
        yield line(f"Proven first in {proof.get('environment')}, within {proof.get('within') or 'any time'}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _minutes(seconds: float) -> str:
    return f"{round(seconds / 60)} min" if seconds >= 90 else f"{round(seconds)} s"
