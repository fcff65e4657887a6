# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a migration is going to do to a database, or why it must not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import Refused
from .busy import Session
from .history import BASE, History, titles
from .revision import Revision

UP, DOWN, NOTHING = "up", "down", "nothing"


@dataclass(frozen=True)
class Want:
    """The options, typed. ``to`` is empty for the newest revision; ``backup`` is the id of the way back."""

    state: str
    name: str
    kind: str
    klass: str
    to: str = ""
    backup: str = ""
    what: str = ""


@dataclass(frozen=True)
class Have:
    """The database and what the migration knows; ``history`` is None where nobody can be asked."""

    where: str
    revision: Revision
    history: History | None
    busy: Sequence[Session] = ()


@dataclass(frozen=True)
class Plan:
    """``revisions`` run in this order, or are taken back in it; empty with UP means that only running will tell.

    ``goal`` is what the schema has to be at afterwards, None where nobody can tell.
    """

    action: str
    revisions: tuple[str, ...] = ()
    goal: tuple[str, ...] | None = None

    @property
    def acts(self) -> bool:
        return self.action != NOTHING

    def sentences(self) -> list[str]:
        if self.action == UP and not self.revisions:
            return ["run the migration, which does not say what is pending"]
        verb = "run" if self.action == UP else "take back"
        return [f"{verb} {one}" for one in self.revisions] if self.acts else []


def decide(have: Have, want: Want) -> Plan:
    """The plan; ``Refused`` where the schema, the image or the declared class forbids it."""
    _check_clean(have)
    _check_known(have, want)
    plan = _down(have, want) if want.state == "downgraded" else _up(have, want)
    if plan.acts:
        _check_class(have, want, plan)
        _check_alone(have, want)
    return plan


def _check_clean(have: Have) -> None:
    if have.revision.dirty:
        raise Refused(
            f"The schema is dirty: {have.revision.dirty}. Nothing was changed",
            where=have.where,
            remedy="find out what that migration has done, finish or undo it by hand, and then correct the record",
            **have.revision.report(),
        )


def _check_known(have: Have, want: Want) -> None:
    """An image that does not know the schema it meets is the wrong one, whichever way it goes."""
    if have.history is not None and not have.history.scripts:
        raise Refused(
            f"{want.what} knows no revision at all. Nothing was changed",
            where=have.where,
            remedy="check that it has the migrations, and how it is asked for them",
        )
    unknown = have.history.unknown(have.revision.current) if have.history else []
    if unknown:
        raise Refused(
            f"The schema is at {titles(unknown)}, which {want.what} does not know. Nothing was changed",
            where=have.where,
            remedy="migrate with the version that brought the schema there, or a newer one",
            **have.revision.report(),
        )


def _up(have: Have, want: Want) -> Plan:
    if have.history is None:
        here = bool(want.to) and have.revision.current == (want.to,)
        return Plan(
            NOTHING if here else UP, (want.to,) if want.to and not here else (), (want.to,) if want.to else None
        )
    if want.to and have.history.unknown([want.to]):
        raise _no_such(have, want)
    pending = have.history.pending(have.revision.current, want.to)
    goal = (want.to,) if want.to else have.history.heads
    return Plan(UP if pending else NOTHING, pending, goal)


def _down(have: Have, want: Want) -> Plan:
    if have.history is None:
        raise Refused(
            f"{want.what} does not say which revisions it knows, so it must not take any back",
            where=have.where,
            remedy="set history to the command that prints them",
        )
    if want.to != BASE and have.history.unknown([want.to]):
        raise _no_such(have, want)
    if not have.history.before(want.to, have.revision.current):
        raise Refused(
            f"The schema is at {have.revision.text}, before {want.to}: there is nothing to take back",
            where=have.where,
            remedy="use state=migrated to go forward",
        )
    undone = have.history.undone(have.revision.current, want.to)
    return Plan(DOWN if undone else NOTHING, undone, () if want.to == BASE else (want.to,))


def _no_such(have: Have, want: Want) -> Refused:
    return Refused(
        f"{want.what} does not know the revision {want.to}. Nothing was changed",
        where=have.where,
        remedy="name a revision it knows, or use the version that has it",
    )


def _check_class(have: Have, want: Want, plan: Plan) -> None:
    if want.klass == "irreversible" and plan.action == DOWN:
        raise Refused(
            f"Migration {want.name} is irreversible: what it took away cannot be brought back by a downgrade",
            where=have.where,
            remedy="fix forward, or restore the backup from before; what was written since is lost then",
        )
    if want.klass != "expand" and not want.backup:
        raise Refused(
            f"Migration {want.name} is declared {want.klass}, and no backup to return to is named. Nothing was changed",
            where=have.where,
            remedy="take a backup with pg_backup and give its id as backup",
        )


def _check_alone(have: Have, want: Want) -> None:
    if have.busy:
        raise Refused(
            f"Migration {want.name} would wait, and everybody else behind it: "
            + "; ".join(str(session) for session in have.busy)
            + ". Nothing was changed",
            where=have.where,
            remedy="wait until that has ended, or end it, and run this again",
            busy=[session.report() for session in have.busy],
        )
