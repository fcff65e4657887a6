# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a page for each catalogue of criteria beside it.

Usage: build/venv/bin/python docs/criteria/generate.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
GATES = {
    "preflight": "Before the release begins",
    "staged": "Before the new version gets traffic",
    "step": "While each step of the shift is held",
    "live": "With all the traffic on the new version",
    "observe": "After the release",
}

Given = Mapping[str, Any]


def catalogues() -> dict[str, Given]:
    return {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.yml"))}


def page(name: str, catalogue: Given) -> str:
    """The page of one catalogue."""
    gates = catalogue["release_gates"]
    count = sum(map(len, gates.values()))
    lines = [
        f"# Criteria: {catalogue['criteria_system']}",
        "",
        f"<!-- Made by generate.py from {name}.yml. -->",
        "",
        f"{count} criteria after: {catalogue['criteria_runbook']}. The data is [{name}.yml]({name}.yml), variables for",
        "the inventory of the system. Hosts, metrics and tables that the runbook does not name are examples.",
    ]
    for gate, title in GATES.items():
        if gates.get(gate):
            lines += ["", f"## {title} (`{gate}`)", "", *_table(gates[gate])]
    lines += ["", "## Looks and what follows", "", *_looks(catalogue["release_observation"]), ""]
    lines += [f"{number}. {_rule(rule)}" for number, rule in enumerate(catalogue["release_rollback"]["policy"], 1)]
    lines += ["", "## Where it differs from the runbook", ""]
    lines += [f"- **{criterion}**: {note.strip()}" for criterion, note in catalogue["criteria_notes"].items()]
    lines += ["", "## What else the runbook asks to check", "", *_covered(catalogue), *_without(catalogue)]
    return "\n".join(lines) + "\n"


def _covered(catalogue: Given) -> Iterator[str]:
    yield "By a criterion of another clause:"
    yield ""
    yield from (f"- **{name}**: {', '.join(ids)}" for name, ids in catalogue["criteria_covers"].items())


def _without(catalogue: Given) -> Iterator[str]:
    yield from ("", "By no criterion:", "")
    yield from (f"- {', '.join(one['of'])}: {one['reason']}" for one in catalogue["criteria_without"])


def _table(criteria: Sequence[Given]) -> Iterator[str]:
    yield "| criterion | clause | measured | expected |"
    yield "|---|---|---|---|"
    for one in criteria:
        what = f"{one['aggregate']} of {one['select']}" if one.get("aggregate") else one["select"]
        samples = f", {one['samples']} samples" if one.get("samples") else ""
        expected = f"`{_cell(one['expect'])}`" + (" (advisory)" if one.get("severity") == "advisory" else "")
        measured = f"{one['source']['kind']}: `{_cell(what)}`{samples}"
        yield f"| {_cell(one['name'])} | {_cell(one.get('clause', ''))} | {measured} | {expected} |"


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|")


def _looks(plan: Sequence[Given]) -> Iterator[str]:
    phases = [f"at {one['at']}" if one.get("at") else f"every {one['every']} until {one['until']}" for one in plan]
    yield f"Looks after the release: {', '.join(phases)}. The strongest rule that holds decides, of several the first."


def _rule(rule: Given) -> str:
    when = {
        "all": "no blocking criterion passed",
        "any": "a blocking criterion did not pass",
        "failed": f"{rule.get('criterion')} failed",
    }.get(rule["when"])
    after = f", when it lasts for {rule['after']}" if rule.get("after") else ""
    return f"{when or '{} `{}`'.format(rule['criterion'], rule['when'])}: **{rule['action']}**{after}"


def main() -> None:
    for name, catalogue in catalogues().items():
        (FOLDER / f"{name}.md").write_text(page(name, catalogue), encoding="utf-8")


if __name__ == "__main__":
    main()
