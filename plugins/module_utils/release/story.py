# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a release's ledger tells about it: what is done, what was going on, and which way it was going. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..ledger.chain import SEAL, Entry
from .machine import BACK, FORWARD, RELEASE_BEGINS, RELEASE_ENDS, RESUMED, TAKEN_OVER, Said


@dataclass(frozen=True)
class Story:
    """A release so far. ``weights`` holds per component what the new colour got, or was about to get.

    ``done`` are the steps that are done and did not begin again; ``open`` is the one that began last and is not done.
    ``backups`` maps a database to the backup to return to, ``migrated`` says whether any migration ever began.
    ``rolled`` are the units that ever began to roll, or to go back: only those may be taken back. ``since`` is when the
    run began that wrote last, ``resumed`` what it went on to do, and ``returned`` when it had given traffic back.
    """

    begun: Mapping[str, Any] = field(default_factory=dict)
    done: tuple[str, ...] = ()
    open: str = ""
    way: str = FORWARD
    weights: Mapping[str, int] = field(default_factory=dict)
    highest: int = 0
    backups: Mapping[str, str] = field(default_factory=dict)
    migrated: bool = False
    rolled: tuple[str, ...] = ()
    latest: str = ""
    ended: Mapping[str, Any] = field(default_factory=dict)
    sealed: bool = False
    last: Entry | None = None
    since: str = ""
    resumed: str = ""
    returned: str = ""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Story:
        story = cls()
        for entry in entries:
            story = story.after(entry)
        return story

    def after(self, entry: Entry) -> Story:
        """The story with one entry more."""
        story = replace(self, last=entry)
        if entry.what == RELEASE_BEGINS:
            begun = entry.after or {}
            return replace(story, begun=begun, rolled=tuple(begun.get("rolled") or ()), since=entry.when)
        if entry.what == RELEASE_ENDS:
            return replace(story, ended=entry.after or {}, open="")
        if entry.what == SEAL:
            return replace(story, sealed=True)
        if entry.what == TAKEN_OVER:
            return story
        if entry.what == RESUMED:
            resumed = str((entry.after or {}).get("decision", ""))
            return replace(story, since=entry.when, resumed=resumed, returned="")
        said = Said.parse(entry.what)
        story = story._told(said, entry.after) if said else story
        if said and said.moment == "done" and said.step.verb == "switch back":
            story = replace(story, returned=entry.when)
        return replace(story, latest=said.step.text if said else entry.what)

    def _told(self, said: Said, after: Any) -> Story:
        step, others = said.step, tuple(text for text in self.done if text != said.step.text)
        if said.moment == "done":
            made = {step.component: str(after["backup"])} if step.backs_up and (after or {}).get("backup") else {}
            still = "" if self.open == step.text else self.open
            return replace(self, done=(*others, step.text), open=still, backups={**self.backups, **made})
        if said.moment == "failed":
            return self
        weights, highest = self.weights, self.highest
        if step.weight is not None:
            weights, highest = {**weights, step.component: step.weight}, max(highest, step.weight)
        elif step.verb == "switch back":
            weights = {**weights, step.component: 0}
        way = BACK if step.way == BACK else self.way
        migrated = self.migrated or step.migrates
        told = replace(self, done=others, open=step.text, way=way, weights=weights, highest=highest, migrated=migrated)
        rolled = tuple(dict.fromkeys((*self.rolled, step.component))) if step.rolls else self.rolled
        return replace(told, rolled=rolled)

    @property
    def verdict(self) -> str:
        """Empty until the release has ended."""
        return str(self.ended.get("verdict", ""))

    @property
    def stands(self) -> str:
        """Where it stands, as the end of a sentence."""
        if self.open:
            place = f"in the middle of {self.open!r}"
        elif self.latest:
            place = f"after {self.latest!r}"
        else:
            place = "before its first step"
        given = ", ".join(f"{component} {weight} %" for component, weight in self.weights.items())
        wrote = f"; {self.last.who} recorded last, at {self.last.when}" if self.last else ""
        return f"{place}{' on the way back' if self.way == BACK else ''}{f' ({given})' if given else ''}{wrote}"
