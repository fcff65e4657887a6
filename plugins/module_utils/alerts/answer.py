# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from an alert that asks for a rollback. An alert is data that others sent: it names, it never says what
to do. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from ..errors import ReleaseError
from ..release.index import RELEASE, RELEASED
from ..tor.moments import SKEW, moment, shown
from ..window.inputs import duration

OTHER, LOOK, NOTHING, BACK = "other", "look", "nothing", "back"
_LONGEST = 65536
_LABELS = ("alertname", "system", "environment")

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Fired:
    """An alert as Alertmanager tells of it; `since` is in seconds since the epoch."""

    name: str
    system: str
    environment: str
    status: str
    since: float

    @classmethod
    def of(cls, text: str) -> Fired:
        """Out of JSON, which may be percent-encoded, so that nothing in it can be taken for a template."""
        try:
            if len(text) > _LONGEST:
                raise ValueError
            alert = json.loads(unquote(text))
            labels = alert["labels"]
            name, system, environment = (str(labels.get(one, "")) for one in _LABELS)
            return cls(name, system, environment, str(alert["status"]), moment(str(alert["startsAt"])).timestamp())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise ReleaseError(
                "This is no alert as Alertmanager tells of it",
                where="rollback_alert",
                remedy="pass labels, status and startsAt of one alert, as the rulebook does",
            ) from exc


@dataclass(frozen=True)
class Answer:
    action: str
    sentence: str


@dataclass(frozen=True)
class Own:
    """What a system says about itself; `within` is for how many seconds after its end a release may go back."""

    system: str
    environment: str
    alerts: Sequence[Given]
    within: float

    @classmethod
    def of(cls, given: Given) -> Own:
        within = duration("release_rollback.within", given["within"]).total_seconds()
        return cls(given["system"], given["environment"], given["alerts"], within)


def first(fired: Fired, own: Own) -> Answer:
    """What can be said before anything is looked at."""
    if (fired.system, fired.environment) != (own.system, own.environment):
        return Answer(OTHER, f"{fired.name} is not about {own.system} in {own.environment}: nothing is done here.")
    if fired.status != "firing":
        return Answer(NOTHING, f"{fired.name} fires no more: nothing is done.")
    if not _named(fired, own).get("rolls_back"):
        return Answer(NOTHING, f"release_alerts has no {fired.name} that rolls back: nothing is done.")
    return Answer(LOOK, "")


def answer(fired: Fired, own: Own, known: Given, now: float) -> Answer:
    """`known` is what release_info tells."""
    said = first(fired, own)
    if said.action != LOOK:
        return said
    if known["unfinished"]:
        return _of_unfinished(fired, own, known)
    if _named(fired, own).get("orphaned"):
        return Answer(NOTHING, f"{fired.name} fires, and no release is unfinished: nothing is done.")
    return _of_newest(fired, own, known, now)


def _of_unfinished(fired: Fired, own: Own, known: Given) -> Answer:
    unfinished = known["unfinished"]
    if (known["owner"] or {}).get("remaining", 0) > 0:
        return Answer(NOTHING, f"{fired.name} fires while somebody is at work, whose own gates judge: nothing is done.")
    if unfinished["kind"] != RELEASE:
        return Answer(NOTHING, f"{unfinished['sentence']} It is no release, so {fired.name} takes nothing back.")
    if not _named(fired, own).get("orphaned") and (before := _before(fired, own, unfinished)):
        return before
    return Answer(BACK, f"{fired.name} fires and nobody goes on with the release: {unfinished['version']} goes back.")


def _of_newest(fired: Fired, own: Own, known: Given, now: float) -> Answer:
    releases = [one for one in known["releases"] if one["kind"] == RELEASE and not one["alone"]]
    moved = [one for one in releases if one["verdict"] != "stopped"]
    if not moved or moved[-1]["verdict"] != RELEASED:
        last = (
            f"{moved[-1]['version']} was {moved[-1]['verdict']} at {moved[-1]['ended']}" if moved else "there was none"
        )
        return Answer(NOTHING, f"{fired.name} fires, and there is no release to take back: {last}.")
    newest = moved[-1]
    closes = moment(newest["ended"]).timestamp() + own.within
    if now > closes:
        return Answer(
            NOTHING,
            f"{fired.name} fires outside of the rollback window: {newest['version']} could be taken back by an alert "
            f"until {_clock(closes)}. Nothing is done. Do: look for another cause; "
            "if it is the release, run rollback.yml without rollback_alert.",
        )
    if before := _before(fired, own, newest):
        return before
    return Answer(BACK, f"{fired.name} fires since {_clock(fired.since)}: {newest['version']} goes back.")


def _before(fired: Fired, own: Own, release: Given) -> Answer | None:
    """What was so before a release began is not mended by taking that back."""
    since = fired.since - duration("for", _named(fired, own).get("for") or 0).total_seconds()
    if since + SKEW >= moment(release["began"]).timestamp():
        return None
    return Answer(
        NOTHING,
        f"{fired.name} fires for what is so since {_clock(since)}, and {release['version']} began at "
        f"{release['began']}: going back would not mend it. Nothing is done.",
    )


def _named(fired: Fired, own: Own) -> Given:
    return next((one for one in own.alerts if one.get("name") == fired.name), {})


def _clock(at: float) -> str:
    return shown(datetime.fromtimestamp(at, UTC))
