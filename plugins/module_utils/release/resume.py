# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a run is to do with the release it finds: start, continue, go back, judge first, nothing, or refuse. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Refused
from .index import RELEASE, RELEASED, RESTORE, TASKS, Attempt, Hold, Index
from .machine import BACK
from .story import Story

START = "start"
CONTINUE = "continue"
GO_BACK = "back"
NOTHING = "nothing"
JUDGE = "judge"
FORWARD_FIX = "forward"
POLICIES = ("continue", "rollback", "ask", FORWARD_FIX)
LIVE = "live "
GOES_BACK = (RELEASED, "failed")
NO_RELEASE = {RESTORE: "a restore", TASKS: "what is to be done"}
BEGINS = {RESTORE: "a restore begins", TASKS: "tasks begin"}


@dataclass(frozen=True)
class Want:
    """What the run is asked to release. ``inputs`` are digests by name; those of ``live …`` may change on the way.

    Without a version it is asked to take back whatever was released last. The kinds restore and tasks have none.
    ``resumed`` says that the run did without windows and approvals, as a release is unfinished. ``alone`` are the
    components of it that are taken back while its others stay.
    """

    version: str
    policy: str = "continue"
    inputs: Mapping[str, str] = field(default_factory=dict)
    changes: bool = True
    lift: str = ""
    kind: str = RELEASE
    resumed: bool = False
    alone: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What has to wait for another one, or for which another one is given up."""
        if self.alone:
            return f"{self.part} alone"
        return NO_RELEASE.get(self.kind) or self.version or "what is taken back"

    @property
    def part(self) -> str:
        return " and ".join(self.alone)


@dataclass(frozen=True)
class Decision:
    kind: str
    sentence: str


def decide(index: Index, story: Story, want: Want) -> Decision:
    """``story`` is that of the unfinished release, if any; ``Refused`` says where that stands and both ways on.

    Tasks that are unfinished are ended before anybody decides.
    """
    attempt = index.unfinished
    if attempt is None:
        return _begin(index, want)
    stands = f"{attempt.title}, begun by {attempt.who} at {attempt.began}, stands"
    if want.kind != RELEASE or attempt.kind == RESTORE:
        return _beside_another(attempt, f"{stands} {story.stands}", story, want)
    if not want.version:
        return _taken_back(attempt, f"{stands} {story.stands}", want)
    if gives_up(attempt, want):
        return Decision(START, f"{stands} {story.stands}; it is given up, and {want.version} begins")
    if attempt.version != want.version:
        raise Refused(
            f"{stands} {story.stands}; {want.version} has to wait for it",
            remedy=f"{_ways(attempt)}; then release {want.version}",
        )
    if want.policy == "ask":
        raise Refused(f"{stands} {story.stands}", remedy=_ways(attempt, story.way == BACK))
    if story.way == BACK:
        return Decision(GO_BACK, f"{stands} {story.stands}; it goes on going back")
    if want.policy == "rollback":
        return Decision(GO_BACK, f"{stands} {story.stands}; it goes back")
    changed = changed_inputs(story.begun.get("inputs") or {}, want.inputs)
    if changed:
        raise Refused(
            f"{stands} {story.stands}, and cannot be continued, because what it releases has changed since: "
            + ", ".join(changed),
            remedy="run again with what it began with, or go back with -e release_resume=rollback",
            changed_inputs=changed,
        )
    return Decision(CONTINUE, f"{stands} {story.stands}; it continues")


@dataclass(frozen=True)
class Judged:
    """What somebody judged whether it may go back: a version, and the migrations that were made for it."""

    version: str
    migrations: Sequence[Mapping[str, Any]] = ()


def once_judged(decision: Decision, want: Want, found: Judged, judged: Judged | None) -> Decision:
    """What is taken back by hand after migrations has to be judged first, and then still be what was judged."""
    if decision.kind != GO_BACK or want.version:
        return decision
    if judged is None:
        return _to_judge(found) if found.migrations else decision
    if judged != found:
        raise Refused(
            f"{found.version} was released meanwhile, and nobody judged whether it may go back", remedy="run this again"
        )
    return decision


def _to_judge(found: Judged) -> Decision:
    migrations = ", ".join(str(one["name"]) for one in found.migrations)
    return Decision(
        JUDGE, f"{found.version} came with {migrations}, and goes back if the version before it works with that"
    )


def _taken_back(attempt: Attempt, stands: str, want: Want) -> Decision:
    """An unfinished release goes back as what it is: the whole of one, or the part it was to take back."""
    if want.alone in ((), attempt.alone):
        rest = "; run this again for the rest" if attempt.alone and not want.alone else ""
        return Decision(GO_BACK, f"{stands}; it {'goes on' if attempt.alone else 'is taken back'}{rest}")
    raise Refused(
        f"{stands}; {want.title} has to wait for it",
        remedy="run rollback.yml without rollback_components, which takes it back"
        + (", then this again" if attempt.alone else " as a whole; or go on with it, then run this again"),
    )


def gives_up(attempt: Attempt | None, want: Want) -> bool:
    """Whether an unfinished release is left where it stands, for a version, a restore or tasks that mend it."""
    if attempt is None or attempt.kind == RESTORE or want.policy != FORWARD_FIX:
        return False
    return want.kind in (RESTORE, TASKS) or want.version not in ("", attempt.version)


def changed_inputs(recorded: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """The names whose digest is another one, came or went; what is live changes with every step."""
    names = sorted({*recorded, *given})
    return [name for name in names if not name.startswith(LIVE) and recorded.get(name) != given.get(name)]


def _beside_another(attempt: Attempt, stands: str, story: Story, want: Want) -> Decision:
    """A restore goes on with a restore; a release, a restore and tasks wait for one another."""
    if gives_up(attempt, want):
        return Decision(START, f"{stands}; it is given up, and {want.title} begins")
    if attempt.kind == RELEASE:
        then = "restore" if want.kind == RESTORE else "run this again"
        remedy = f"{_ways(attempt)}; or leave it where it stands with -e release_resume={FORWARD_FIX}; then {then}"
    elif want.kind == RESTORE and want.policy == "continue":
        _refuse_other_databases(stands, sorted(story.begun.get("inputs") or {}), sorted(want.inputs))
        return Decision(CONTINUE, f"{stands}; it continues")
    else:
        remedy = "run restore.yml, which goes on with it, or ends it and says why it cannot"
    raise Refused(f"{stands}; {want.title} has to wait for it", remedy=remedy)


def _refuse_other_databases(stands: str, began: list[str], now: list[str]) -> None:
    """One that goes on would leave out what is not named any more, or never began with what was added."""
    if began == now:
        return
    raise Refused(
        f"{stands}; it began with {', '.join(began) or 'no database'}, and now it is {', '.join(now) or 'none'}",
        remedy=f"run restore.yml with restore_databases: [{', '.join(began)}], and restore others after that",
    )


def _begin(index: Index, want: Want) -> Decision:
    if want.kind != RELEASE:
        return Decision(START, f"{BEGINS[want.kind]}, nothing is unfinished")
    if not want.version:
        newest = index.to_take_back
        if newest and want.alone:
            return _part(index, newest, want)
        if newest and newest.verdict in GOES_BACK:
            return Decision(GO_BACK, f"{newest.version}, which was {newest.verdict} at {newest.ended}, is taken back")
        return Decision(NOTHING, f"there is no release to take back{f' after {newest.version}' if newest else ''}")
    if not want.changes:
        return Decision(NOTHING, f"{want.version} is live already, and no release is unfinished")
    if want.resumed:
        raise Refused(
            f"{want.version} cannot go on: somebody else ended the unfinished release meanwhile",
            remedy="run this again, which asks for windows and approvals as for any release that begins",
        )
    hold = index.hold(want.version)
    if hold and not want.lift:
        raise Refused(
            f"{want.version} is on hold: {_why(index, hold)} at {hold.since}",
            remedy="release a version that mends it; or say why this one may be tried again, "
            "with -e \"release_lift='the reason'\"",
            hold=hold.report(),
        )
    lifted = f"; its hold is lifted: {want.lift}" if hold else ""
    return Decision(START, f"{want.version} begins, no release is unfinished{lifted}")


def _part(index: Index, newest: Attempt, want: Want) -> Decision:
    """Some components of the newest release go back, if it was released as a whole."""
    if newest.verdict != RELEASED:
        return Decision(NOTHING, f"there is no release of which {want.part} could be taken back alone")
    if not set(want.alone) - index.gone(newest.release):
        return Decision(NOTHING, f"{want.part} of {newest.version} was taken back already")
    return Decision(
        GO_BACK, f"{want.part} of {newest.version}, which was released at {newest.ended}, is taken back alone"
    )


def _why(index: Index, hold: Hold) -> str:
    attempt = index.attempt(hold.release)
    if attempt and attempt.alone:
        return f"release {hold.release} took {' and '.join(attempt.alone)} back alone"
    return f"release {hold.release} ended {hold.verdict}"


def _ways(attempt: Attempt, is_going_back: bool = False) -> str:
    again = f"-e release_version={attempt.version}"
    back = f"{again} -e release_resume=rollback"
    if is_going_back:
        return f"run deploy.yml with {back}; it was on its way back, so there is no other way"
    return f"run deploy.yml with {again} -e release_resume=continue to go on, or with {back} to go back"
