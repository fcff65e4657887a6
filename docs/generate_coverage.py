# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the page of what became of the runbooks' requirements.

Usage: build/venv/bin/python docs/generate_coverage.py
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent
STATUSES = ("done", "planned", "policy", "declined")
SYSTEMS = {"PEA": "PEA RE Forecast", "SOL": "Solar PV", "TEEI": "TEEI CSR", "NOVA": "NovaCron", "PIQ": "PredictIQ"}

Given = Mapping[str, Any]


def coverage() -> Given:
    """`means` (`does`, `by`, `tests`), `parts` (`what`, `kinds`), `requirements` (id to one status and its reason)."""
    return dict(yaml.safe_load((FOLDER / "coverage.yml").read_text("utf-8")))


def kinds() -> dict[str, str]:
    """The kind of every requirement, in the order of the runbooks."""
    known = yaml.safe_load((FOLDER / "coverage_ids.yml").read_text("utf-8"))
    found = {
        f"{system}-{number:03}": kind
        for system, by_kind in known.items()
        for kind, text in by_kind.items()
        for number in numbers(str(text))
    }
    order = list(known)
    return dict(sorted(found.items(), key=lambda one: (order.index(system_of(one[0])), one[0])))


def numbers(text: str) -> Iterator[int]:
    """The numbers of a text like ``1 4-6``."""
    for part in text.split():
        first, _dash, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def system_of(requirement: str) -> str:
    return requirement.partition("-")[0]


def status_of(entry: Given) -> str:
    return next(status for status in STATUSES if status in entry)


def page(covered: Given, kind_of: Mapping[str, str]) -> str:
    """The whole page."""
    requirements = covered["requirements"]
    statuses = {one: status_of(entry) for one, entry in requirements.items()}
    lines = [
        "# What the runbooks ask, and what became of it",
        "",
        "<!-- Made by generate_coverage.py from coverage.yml. -->",
        "",
        *_told(len(requirements)),
        "",
        "## By system",
        "",
        *_table("system", {name: key for key, name in SYSTEMS.items()}, system_of, statuses),
        "",
        "## By kind",
        "",
        *_table("kind", {kind: kind for kind in sorted(set(kind_of.values()))}, lambda one: kind_of[one], statuses),
        "",
        "## How it is done",
        "",
        "| what | by | requirements |",
        "|---|---|---|",
        *_means(covered),
        "",
        "## What is not built yet",
        "",
        *_grouped(requirements, "planned", {name: one["what"] for name, one in covered["parts"].items()}),
        "",
        "## What a person decides",
        "",
        *_grouped(requirements, "policy"),
        "",
        "## What was declined",
        "",
        *_grouped(requirements, "declined"),
    ]
    return "\n".join(lines) + "\n"


def _told(count: int) -> list[str]:
    return [
        f"{count} requirements were read out of five runbooks. *Done* is built and tested today. *Planned* waits for a",
        "part that is not built. *Policy* is a person's decision, and the sentence says whose and how it is asked for.",
        "*Declined* says why.",
    ]


def _table(title: str, rows: Mapping[str, str], key: Any, statuses: Mapping[str, str]) -> Iterator[str]:
    counts = Counter((key(one), status) for one, status in statuses.items())
    yield f"| {title} | {' | '.join(STATUSES)} | all | done |"
    yield "|---" * (len(STATUSES) + 3) + "|"
    for name, value in rows.items():
        yield _row(name, [counts[value, status] for status in STATUSES])
    yield _row("all", [sum(counts[value, status] for value in rows.values()) for status in STATUSES])


def _row(name: str, cells: Sequence[int]) -> str:
    return f"| {name} | {' | '.join(map(str, cells))} | {sum(cells)} | {cells[0] / max(sum(cells), 1):.0%} |"


def _means(covered: Given) -> Iterator[str]:
    used = Counter(entry["done"] for entry in covered["requirements"].values() if "done" in entry)
    for name, one in covered["means"].items():
        yield f"| {one['does']} | {', '.join(f'`{by}`' for by in one['by'])} | {used[name]} |"


def _grouped(requirements: Mapping[str, Given], status: str, words: Mapping[str, str] | None = None) -> Iterator[str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for one, entry in requirements.items():
        if status in entry:
            groups[entry[status]].append(one)
    for reason, ids in groups.items():
        said = f"`{reason}`, {words[reason]}" if words else reason
        yield f"- {said} ({len(ids)}): {', '.join(_runs(ids))}"


def _runs(ids: Sequence[str]) -> Iterator[str]:
    """Ids that follow each other as one, like ``PEA-031 to 034``."""
    runs: list[list[str]] = []
    for one in ids:
        if runs and system_of(runs[-1][0]) == system_of(one) and int(runs[-1][-1][-3:]) + 1 == int(one[-3:]):
            runs[-1].append(one)
        else:
            runs.append([one])
    for run in runs:
        yield run[0] if len(run) == 1 else f"{run[0]} to {run[-1][-3:]}"


def main() -> None:
    (FOLDER / "coverage.md").write_text(page(coverage(), kinds()), encoding="utf-8")


if __name__ == "__main__":
    main()
