# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of pg_restore is going to do, from what there is and what is wanted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..errors import Refused
from . import sql
from .manifest import Manifest, text_of
from .swap import REVERTED, Database

RESTORE, REVERT = "restored", "reverted"
"""The states of the module."""
_RESERVED = ("postgres", "template0", "template1")


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ``level`` is restore or full, ``began`` when what this is a part of began."""

    state: str
    database: str
    id: str = ""
    level: str = "restore"
    jobs: int = 1
    accept_data_loss: bool = False
    accept_foreign: bool = False
    again: bool = False
    began: datetime | None = None
    check: bool = False


@dataclass(frozen=True)
class Have:
    """What there is. ``restored_from``: id of the backup that was put in place last, if it still is there, and when."""

    now: datetime
    live: Database | None
    system: str
    backup: Manifest | None = None
    restored_from: str = ""
    restored_at: datetime | None = None
    kept: tuple[Database, ...] = ()
    obstacles: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The live database in a few words."""
        if self.live is None:
            return "does not exist"
        return f"restored from backup {self.restored_from}" if self.restored_from else "exists"


@dataclass(frozen=True)
class Plan:
    """``restore`` the backup, or ``revert`` to the database of that name; ``lost`` in seconds of writes."""

    restore: Manifest | None = None
    revert: Database | None = None
    lost: float = 0.0
    mend: tuple[str, ...] = ()

    @property
    def acts(self) -> bool:
        return self.restore is not None or self.revert is not None

    @property
    def changes(self) -> bool:
        return self.acts or bool(self.mend)


def decide(have: Have, request: Request) -> Plan:
    """Pure. ``Refused`` with the reason and what to do about it."""
    if request.database in _RESERVED:
        raise Refused(f"{request.database} belongs to the server and is never replaced", code="swap")
    plan = _restoring(have, request) if request.state == RESTORE else _reverting(have, request)
    if not plan.acts:
        return plan
    if have.live and not have.live.open and not have.pending:
        raise Refused(
            f"connections to {request.database} were switched off by somebody else",
            remedy=f"find out why, then ALTER DATABASE {sql.name(request.database)} ALLOW_CONNECTIONS true",
            code="swap",
        )
    if have.obstacles:
        raise Refused(
            f"{request.database} cannot be replaced: {'; '.join(have.obstacles)}",
            remedy="end or drop these first; nothing was restored and the database was not touched",
            code="swap",
            obstacles=list(have.obstacles),
        )
    if have.live and not request.accept_data_loss:
        raise Refused(
            f"everything written to {request.database} in the last {plan.lost:.0f} s would be gone from it",
            remedy="set accept_data_loss, once those who own the data agree; the database of now is kept aside",
            code="data_loss",
            data_loss_seconds=round(plan.lost, 1),
        )
    return plan


def sentences(request: Request, plan: Plan, have: Have) -> list[str]:
    """What is going to be done, for check mode and the ledger."""
    said = list(plan.mend)
    if plan.restore:
        said.append(f"restore backup {plan.restore.id} into a new database and prove it to level {request.level}")
        said.append(f"put it in the place of {request.database}" if have.live else f"name it {request.database}")
    if plan.revert:
        said.append(f"put {plan.revert.name} back in the place of {request.database}")
    return said


def _restoring(have: Have, request: Request) -> Plan:
    backup = have.backup
    if backup is None:
        raise Refused("there is no backup to restore", remedy="give store and id")
    if have.live and have.restored_from == backup.id and _is_done(have, request):
        return Plan(lost=_lost(backup, have.restored_at or have.now), mend=have.pending)
    foreign = [
        f"{what} {theirs}, and this is {ours}"
        for what, theirs, ours in (
            ("system", backup.system, have.system),
            ("database", backup.database, request.database),
        )
        if theirs != ours
    ]
    if foreign and not request.accept_foreign:
        raise Refused(
            f"backup {backup.id} is of another origin: {'; '.join(foreign)}",
            remedy="check the id; to restore elsewhere than where it was made, set accept_foreign",
            code="identity",
        )
    return Plan(restore=backup, lost=_lost(backup, have.now), mend=have.pending)


def _lost(backup: Manifest, until: datetime) -> float:
    """Seconds of which nothing that was written is in the backup; also where the database is gone by now."""
    return (until - backup.made_at).total_seconds()


def _is_done(have: Have, request: Request) -> bool:
    """Of a database restored from this backup: whether that was this restore, so that nothing is left to do."""
    if request.began is None:
        return not request.again
    at = have.restored_at
    if at and at >= request.began:
        return True
    if not request.again:
        raise Refused(
            f"{request.database} was restored from backup {have.restored_from} before this restore began"
            + (f", at {text_of(at)}" if at else ""),
            remedy="leave it out, name another backup, or set again (restore_again of the role restore) to lose what "
            "was written since",
            code="again",
        )
    return False


def _reverting(have: Have, request: Request) -> Plan:
    newest = have.kept[0] if have.kept else None
    if newest is None or have.live is None:
        raise Refused(
            f"there is no database that a restore of {request.database} has replaced",
            remedy="restore a backup instead; pg_backup_info lists them",
            code="swap",
        )
    if newest.kept["kind"] == REVERTED:
        return Plan(mend=have.pending)
    lost = (have.now - datetime.fromisoformat(newest.kept["at"])).total_seconds()
    return Plan(revert=newest, lost=lost, mend=have.pending)
