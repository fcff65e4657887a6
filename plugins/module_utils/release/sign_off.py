# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The sheet that people sign off a release by: each item is ticked by what was recorded, and by nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from ..ledger.chain import Entry
from ..tor.verdict import PASS
from .machine import Said, gate_of

Given = Mapping[str, Any]
PREFLIGHT = ("preflight", "")


@dataclass(frozen=True)
class Recorded:
    """What a release left: the newest verdicts of each gate and component, and the last word on each step."""

    gates: Mapping[tuple[str, str], Mapping[str, Given]]
    steps: Mapping[str, Said]

    @classmethod
    def of(cls, preflight: Sequence[Given], entries: Iterable[Entry]) -> Recorded:
        """``preflight`` are the verdicts of the gate that is held before there is a ledger."""
        gates, steps = {PREFLIGHT: _by_name(preflight)}, {}
        for entry in entries:
            if held := gate_of(entry.what):
                gates[held] = _by_name(entry.after["criteria"])
            elif said := Said.parse(entry.what):
                steps[said.step.text] = said
        return cls(gates, steps)

    def criterion(self, name: str) -> tuple[bool, str]:
        """Whether it passed wherever it was asked, and the sentence about it."""
        found = [verdicts[name] for verdicts in self.gates.values() if name in verdicts]
        told = next((one for one in found if one["verdict"] != PASS), found[-1] if found else None)
        if told is None:
            return False, f"{name} was not asked"
        return told[
            "verdict"
        ] == PASS, f"{name} is {told['observed']}, expected {told['threshold']} ({told['verdict']})"

    def step(self, verb: str) -> tuple[bool, str]:
        """Whether everything of that kind which began is done."""
        found = [said for said in self.steps.values() if said.step.verb == verb]
        if not found:
            return False, f"nothing was done to {verb}"
        return all(one.moment == "done" for one in found), ", ".join(f"{one.step.text} {one.moment}" for one in found)


def sheet(items: Sequence[Given], preflight: Sequence[Given], text: str) -> list[dict[str, Any]]:
    """Each item with whether it is ``ticked`` and ``why``; ``text`` is the ledger as a mirror keeps it."""
    try:
        recorded = Recorded.of(preflight, map(Entry.parse, text.splitlines()))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"the ledger cannot be read: {error}", remedy="verify it with release_ledger") from error
    return [_item(one, recorded) for one in items]


def _item(one: Given, recorded: Recorded) -> dict[str, Any]:
    answers = [
        *(recorded.criterion(name) for name in one.get("criteria") or ()),
        *(recorded.step(verb) for verb in one.get("steps") or ()),
    ]
    ticked = bool(answers) and all(holds for holds, _why in answers)
    return {"item": one["item"], "ticked": ticked, "why": [why for _holds, why in answers]}


def _by_name(verdicts: Sequence[Given]) -> dict[str, Given]:
    return {str(one["name"]): one for one in verdicts}
