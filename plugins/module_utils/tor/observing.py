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
from ..policy.rules import HOLD, NOTHING, ROLLBACK, WATCH
from ..release.index import read
from .baseline_ledger import before
from .moments import moment, shown
from .observation import MISSED, Look, conclusion, looks, standing, taken_now

if TYPE_CHECKING:
    from ..kube.client import KubeClient

LONGEST = 63
SUFFIX = "-observed"
NOT_YET = {"action": NOTHING, "sentence": "nothing was seen yet", "components": [], "standing": {}}
_DECIDED = ("action", "sentence", "components", "rules", "numbers", "since", "due", "standing")
Report = dict[str, Any]


@dataclass(frozen=True)
class Observation:
    """What is observed: a release that ended, and by which plan."""

    namespace: str
    release: str
    ended: float
    plan: Sequence[Mapping[str, Any]]
    who: str

    @classmethod
    def of(cls, params: Mapping[str, Any], who: str) -> Observation:
        looks(params["plan"])
        try:
            ended = moment(params["ended"]).timestamp()
        except ValueError as exc:
            raise Refused(str(exc), where="ended", remedy="give ended of the release as release_info tells it") from exc
        return cls(params["namespace"], params["release"], ended, params["plan"], who)


@dataclass(frozen=True)
class Record:
    """The looks in their order, whether the observation is over, and what was decided at the newest one."""

    looks: Sequence[Look]
    sealed: bool
    decision: Report


def ledger_of(release: str) -> str:
    """The id of the observation's ledger; a release with a long id keeps it unique by a digest."""
    if len(release) + len(SUFFIX) <= LONGEST:
        return release + SUFFIX
    digest = hashlib.sha256(release.encode()).hexdigest()[:8]
    return release[: LONGEST - len(SUFFIX) - 9].rstrip(".-") + f"-{digest}{SUFFIX}"


def due(client: KubeClient, asked: Observation) -> Report:
    """Where the observation stands, and what was before the release."""
    known = asdict(before(client, asked.namespace, asked.release))
    return {
        "changed": False,
        **_report(asked, _taken(Store(client, asked.namespace, ledger_of(asked.release)))),
        **known,
    }


def look(
    client: KubeClient,
    asked: Observation,
    number: int,
    verdicts: Sequence[Mapping[str, Any]],
    decision: Mapping[str, Any],
) -> Report:
    """Record a look and what was decided, and looks that were missed before it; what was recorded first stays."""
    store = Store(client, asked.namespace, ledger_of(asked.release))
    record = _taken(store)
    taken = record.looks
    times = looks(asked.plan)
    if not 0 < number <= len(times):
        raise Refused(f"The plan has no look {number}", where="look", remedy="give the look that state=due returned")
    if record.sealed or number <= max((one.number for one in taken), default=0):
        return {"changed": False, **_report(asked, record)}
    now = time.time()
    if asked.ended + times[number - 1] > now:
        when = _shown(asked.ended + times[number - 1])
        raise Refused(f"Look {number} is not due before {when}", where="look", remedy="give the look that is due")
    missed = [Look(one, now, MISSED) for one in standing(times, asked.ended, taken, now).missed if one < number]
    new = [*missed, taken_now(number, now, verdicts)]
    decided = _checked(decision)
    over = number == len(times) or (decided["action"] == ROLLBACK and not decided["components"])
    if not client.dry_run:
        for one in new:
            store.append(Draft(f"look {one.number} of {len(times)}", None, _entry(one, decided), asked.who, 0))
        if over:
            store.seal(asked.who, 0)
    return {"changed": True, **_report(asked, Record([*taken, *new], over, decided))}


def _checked(decision: Mapping[str, Any]) -> Report:
    """What tor_validate decided, and nothing beside it."""
    action = decision.get("action")
    if action not in (NOTHING, WATCH, HOLD, ROLLBACK):
        remedy = "give the decision that tor_validate returned with its policy"
        raise Refused(f"The action {action!r} is none of a decision", where="decision.action", remedy=remedy)
    return {**NOT_YET, **{field: decision[field] for field in _DECIDED if field in decision}}


def _entry(look: Look, decision: Report) -> Report:
    said = {"number": look.number, "at": _shown(look.at), "verdict": look.verdict, "findings": list(look.findings)}
    return said if look.verdict == MISSED else {**said, "decision": decision}


def _shown(at: float) -> str:
    return shown(datetime.fromtimestamp(at, UTC))


def _report(asked: Observation, record: Record) -> Report:
    times, now, taken, decision = looks(asked.plan), time.time(), record.looks, record.decision
    stands = standing(times, asked.ended, taken, now)
    over = record.sealed or stands.over
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
        "decision": decision,
        "sentence": f"Observation of {asked.release}: {seen}; {ends}. "
        f"Decision {decision['action']}: {decision['sentence']}.",
    }


def _taken(store: Store) -> Record:
    """What is recorded, each look once; an altered ledger is refused."""
    entries = read(store)
    found: dict[int, Look] = {}
    decision = NOT_YET
    for entry in entries:
        if entry.what != SEAL:
            after = {**entry.after, "at": moment(entry.after["at"]).timestamp()}
            kept = {field: after[field] for field in ("number", "at", "verdict")}
            found.setdefault(after["number"], Look(**kept, findings=tuple(after["findings"])))
            decision = after.get("decision", decision)
    sealed = bool(entries) and entries[-1].what == SEAL
    return Record([found[number] for number in sorted(found)], sealed, decision)
