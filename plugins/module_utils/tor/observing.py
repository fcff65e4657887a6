# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An observation in the cluster: its looks are entries of a ledger of its own, which is sealed when it is over."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..ledger.chain import SEAL, Draft
from ..ledger.store import Store
from ..release.index import read
from .baseline_ledger import before
from .moments import moment, shown
from .observation import (
    MISSED,
    ROLLBACK,
    Decision,
    Look,
    check_policy,
    conclusion,
    decide,
    looks,
    standing,
    taken_now,
)

if TYPE_CHECKING:
    from ..kube.client import KubeClient

LONGEST = 63
SUFFIX = "-observed"
Report = dict[str, Any]


@dataclass(frozen=True)
class Observation:
    """What is observed: a release that ended, by which plan, and what is done about what is seen."""

    namespace: str
    release: str
    ended: float
    plan: Sequence[Mapping[str, Any]]
    policy: Sequence[Mapping[str, Any]]
    who: str

    @classmethod
    def of(cls, params: Mapping[str, Any], who: str) -> Observation:
        check_policy(params["policy"])
        looks(params["plan"])
        try:
            ended = moment(params["ended"]).timestamp()
        except ValueError as exc:
            raise Refused(str(exc), where="ended", remedy="give ended of the release as release_info tells it") from exc
        return cls(params["namespace"], params["release"], ended, params["plan"], params["policy"], who)


def ledger_of(release: str) -> str:
    """The id of the observation's ledger; a release with a long id keeps it unique by a digest."""
    if len(release) + len(SUFFIX) <= LONGEST:
        return release + SUFFIX
    digest = hashlib.sha256(release.encode()).hexdigest()[:8]
    return release[: LONGEST - len(SUFFIX) - 9].rstrip(".-") + f"-{digest}{SUFFIX}"


def due(client: KubeClient, asked: Observation) -> Report:
    """Where the observation stands, and what was before the release."""
    taken, sealed = _taken(Store(client, asked.namespace, ledger_of(asked.release)))
    known = asdict(before(client, asked.namespace, asked.release))
    return {"changed": False, **_report(asked, taken, sealed), **known}


def look(client: KubeClient, asked: Observation, number: int, verdicts: Sequence[Mapping[str, Any]]) -> Report:
    """Record a look, and those that were missed before it; what was recorded first stays."""
    store = Store(client, asked.namespace, ledger_of(asked.release))
    taken, sealed = _taken(store)
    times = looks(asked.plan)
    if not 0 < number <= len(times):
        raise Refused(f"The plan has no look {number}", where="look", remedy="give the look that state=due returned")
    if sealed or number <= max((one.number for one in taken), default=0):
        return {"changed": False, **_report(asked, taken, sealed)}
    now = time.time()
    if asked.ended + times[number - 1] > now:
        when = _shown(asked.ended + times[number - 1])
        raise Refused(f"Look {number} is not due before {when}", where="look", remedy="give the look that is due")
    missed = [Look(one, now, MISSED) for one in standing(times, asked.ended, taken, now).missed if one < number]
    new = [*missed, taken_now(number, now, verdicts)]
    decision = decide(asked.policy, [*taken, *new])
    over = number == len(times) or decision.action == ROLLBACK
    if not client.dry_run:
        for one in new:
            store.append(Draft(f"look {one.number} of {len(times)}", None, _entry(one, decision), asked.who, 0))
        if over:
            store.seal(asked.who, 0)
    return {"changed": True, **_report(asked, [*taken, *new], over)}


def _entry(look: Look, decision: Decision) -> Report:
    said = {"number": look.number, "at": _shown(look.at), "verdict": look.verdict, "findings": list(look.findings)}
    return said if look.verdict == MISSED else {**said, "decision": asdict(decision)}


def _shown(at: float) -> str:
    return shown(datetime.fromtimestamp(at, UTC))


def _report(asked: Observation, taken: Sequence[Look], sealed: bool) -> Report:
    times, now = looks(asked.plan), time.time()
    stands = standing(times, asked.ended, taken, now)
    over = sealed or stands.over
    decision = decide(asked.policy, taken)
    verdict, seen = conclusion(taken) if taken else ("", "no look was taken yet")
    upcoming = "" if over or stands.next is None else _shown(stands.next)
    ends = "it is over" if over else f"the next is due at {upcoming}" if upcoming else "the last one is due"
    return {
        "ledger": ledger_of(asked.release),
        "looks": len(times),
        "due": 0 if over else stands.due,
        "missed": [] if over else list(stands.missed),
        "next": upcoming,
        "over": over,
        "verdict": verdict,
        "decision": asdict(decision),
        "sentence": f"Observation of {asked.release}: {seen}; {ends}. Decision {decision.action}: {decision.sentence}.",
    }


def _taken(store: Store) -> tuple[list[Look], bool]:
    """The looks that are recorded, each once, and whether the observation is over; an altered ledger is refused."""
    entries = read(store)
    found: dict[int, Look] = {}
    for entry in entries:
        if entry.what != SEAL:
            after = {**entry.after, "at": moment(entry.after["at"]).timestamp()}
            kept = {field: after[field] for field in ("number", "at", "verdict")}
            found.setdefault(after["number"], Look(**kept, findings=tuple(after["findings"])))
    return [found[number] for number in sorted(found)], bool(entries) and entries[-1].what == SEAL
