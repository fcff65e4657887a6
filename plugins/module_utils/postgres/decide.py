# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of pg_backup is going to do, from what there is and what is wanted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..errors import Refused
from ..window.spans import words
from . import age, retention
from .manifest import Manifest, reaches, text_of
from .retention import Drop, Keep, Policy
from .server import LOCK_TIMEOUT, STALL, Identity

PRESENT, VERIFIED, PRUNED = "present", "verified", "pruned"


@dataclass(frozen=True)
class Request:
    """The options of the module, typed; ages in seconds, ``recipients`` and ``identity_file`` of ``age``."""

    state: str
    database: str
    id: str = ""
    release: str = ""
    level: str = "restore"
    format: str = "custom"
    compression: str = "auto"
    jobs: int = 1
    stall: float = STALL
    lock_timeout: float = LOCK_TIMEOUT
    recipients: tuple[str, ...] = ()
    identity_file: str = ""
    pin: str = ""
    younger_than: float | None = None
    proof_within: float | None = None
    policy: Policy | None = None
    way_back: tuple[str, ...] = ()
    check: bool = False


@dataclass(frozen=True)
class Have:
    """What there is: who answers, if anybody was asked; the backup of this id; those of the database, of any system.

    ``swapped``: when a restore, or the way back from one, last put another database in its place.
    """

    now: datetime
    identity: Identity | None = None
    named: Manifest | None = None
    backups: tuple[Manifest, ...] = ()
    swapped: datetime | None = None

    @property
    def own(self) -> list[Manifest]:
        """Those of this database on this very system."""
        return [one for one in self.backups if self.identity is None or one.system == self.identity.system]


@dataclass(frozen=True)
class Plan:
    """``take`` a new backup or use ``backup``; then prove it, pin it, and delete what retention drops."""

    take: bool = False
    backup: Manifest | None = None
    prove: str = ""
    pin: str = ""
    retention: tuple[Keep | Drop, ...] = ()

    @property
    def drops(self) -> list[Drop]:
        return [one for one in self.retention if isinstance(one, Drop)]

    @property
    def changes(self) -> bool:
        return bool(self.take or self.prove or self.pin or self.drops)

    def sentences(self, request: Request) -> list[str]:
        id = self.backup.id if self.backup else request.id
        said = [f"dump {request.database} as backup {id}"] if self.take else []
        said += [f"prove backup {id} to level {self.prove}"] if self.prove else []
        said += [f"pin backup {id}: {self.pin}"] if self.pin else []
        return said + [f"delete backup {one.id}: {one.why}" for one in self.drops]


def decide(have: Have, request: Request) -> Plan:
    """Pure. ``Refused`` if what is wanted cannot be, or what there is belongs to somebody else."""
    if request.state == PRUNED:
        return Plan(retention=tuple(_retention(have, request)))
    _consistent(request)
    chosen = _chosen(have, request)
    if chosen is None:
        if request.state == VERIFIED:
            raise Refused(
                f"there is no backup {request.id or f'of {request.database}'} to verify",
                remedy="make one with state present; pg_backup_info lists what there is",
            )
        return Plan(take=True, prove=request.level, pin="")
    prove = request.level if _wants_proof(chosen, have.now, request) else ""
    pin = request.pin if request.pin and request.pin != chosen.pinned else ""
    return Plan(backup=chosen, prove=prove, pin=pin)


def _consistent(request: Request) -> None:
    directory = request.format == "directory"
    if request.recipients and directory:
        raise Refused(
            "a directory cannot be encrypted: pg_dump would write it to a disk in plain text first",
            remedy="take format custom, which is encrypted as it streams",
        )
    if request.jobs > 1 and not directory and request.state == PRESENT:
        raise Refused("only a directory is dumped by several jobs", remedy="take format directory, or one job")
    if request.recipients and not request.identity_file and request.level != "checksum":
        raise Refused(
            f"level {request.level} needs the key: a backup that nobody can decrypt is not proven",
            remedy="give encryption.identity_file, or prove it to level checksum here and further where the key is",
        )


def _chosen(have: Have, request: Request) -> Manifest | None:
    """The backup this run is about, if it is there already; ``Refused`` if that is not young enough."""
    found = age.newest(have.own)
    if have.named:
        _same_source(have.named, have, request)
        if request.state == VERIFIED or _young(have.named, have, request):
            return have.named
        if not (found and _young(found, have, request)):
            raise _too_old(have.named, have, request)
        return found
    if request.state == VERIFIED:
        return None if request.id else found
    return found if found and request.younger_than is not None and _young(found, have, request) else None


def _young(found: Manifest, have: Have, request: Request) -> bool:
    if request.younger_than is None:
        return True
    return not _of_another(found, have) and age.age(found, have.now) <= request.younger_than


def _of_another(found: Manifest, have: Have) -> bool:
    """Whether it is of what had the database's name before a restore."""
    return have.swapped is not None and found.made_at < have.swapped


def _too_old(found: Manifest, have: Have, request: Request) -> Refused:
    old, allowed = words(age.age(found, have.now)), words(request.younger_than or 0)
    why = f"is {old} old, at most {allowed} is allowed"
    if have.swapped and _of_another(found, have):
        why = f"is of what {request.database} was before a restore at {text_of(have.swapped)} replaced it"
    return Refused(
        f"backup {found.id} {why}",
        remedy="give another id, under which a new one is made; nothing was written",
    )


def _same_source(found: Manifest, have: Have, request: Request) -> None:
    system = have.identity.system if have.identity else found.system
    if (found.system, found.database) != (system, request.database):
        raise Refused(
            f"backup {found.id} is of database {found.database} of system {found.system}, "
            f"this is database {request.database} of system {system}",
            remedy="give another id, or another store; nothing was written",
        )


def _wants_proof(found: Manifest, now: datetime, request: Request) -> bool:
    proof = found.proof
    if proof is None or not proof.holds or not reaches(proof.level, request.level):
        return True
    old = (now - proof.at).total_seconds()
    return request.proof_within is not None and old > request.proof_within


def _retention(have: Have, request: Request) -> list[Keep | Drop]:
    """Systems are not mixed up: each has its own newest, its own days, its own fewest."""
    if request.policy is None:
        raise Refused("there is no policy to prune by", remedy="give the option keep")
    systems = sorted({one.system for one in have.own})
    return [
        decided
        for system in systems
        for decided in retention.plan(
            [one for one in have.own if one.system == system], request.policy, have.now, request.way_back
        )
    ]
