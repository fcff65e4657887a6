# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A lock in the cluster: look, decide, write under guard, and look again when somebody was faster.

Two rules keep it safe. Every write names the ``resourceVersion`` it was decided on, so of all operators that saw the
same Lease one succeeds: that alone makes tokens unique and rising, whatever any clock says. And time is the API
server's, taken from the ``Date`` of the very answer that carried the Lease: no operator's clock is ever read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ..errors import ApiError, Conflict, ReleaseError
from ..kube.faults import Asked, fault_of
from ..kube.kinds import LEASE
from ..kube.transport import Request
from .decide import Plan, Want, decide
from .record import Record

if TYPE_CHECKING:
    from ..kube.client import KubeClient

ATTEMPTS = 5


@dataclass(frozen=True)
class Outcome:
    """What became of a lock."""

    want: Want
    plan: Plan
    after: Record | None

    def report(self) -> dict[str, Any]:
        """The result of the module."""
        nobody = {"holder": "", "token": 0, "ttl": 0, "since": "", "renewed": ""}
        return {
            "changed": self.plan.changes,
            "lease": self.want.lease,
            "taken_over": self.plan.taken_over or {},
            **(self.after.shown() if self.after else nobody),
        }

    def diff(self) -> dict[str, Any]:
        before, after = self.plan.before, self.after
        return {
            "before_header": self.want.where,
            "after_header": self.want.where,
            "before": before.shown() if before else {},
            "after": after.shown() if after else {},
        }


def keep(client: KubeClient, want: Want) -> Outcome:
    """Bring the lock to the wanted state; a lost race is decided anew on what the winner wrote."""
    for _attempt in range(ATTEMPTS):
        have, now = observe(client, want.lease)
        plan = decide(have, want, now)
        if plan.after is None or not plan.changes:
            return Outcome(want, plan, plan.after)
        try:
            return Outcome(want, plan, write(client, want.lease, plan.before, plan.after))
        except Conflict as error:
            faster = error
    raise ReleaseError(
        f"Somebody else wrote the Lease during each of {ATTEMPTS} attempts: {faster.what}",
        where=want.where,
        remedy="see who writes it (kubectl get lease --show-managed-fields), then run again",
    )


def observe(client: KubeClient, lease: str) -> tuple[Record | None, datetime]:
    """The lock and the API server's time, from one answer."""
    namespace, _slash, name = lease.partition("/")
    asked = Asked("get", LEASE, namespace, name)
    answer = client.transport.answer(Request(asked, "GET", LEASE.path(namespace, name)))
    if answer.status >= 400 and answer.status != 404:
        raise fault_of(asked, answer.status, answer.status_object())
    now = server_time(answer.headers.get("Date") or "", lease)
    return None if answer.status == 404 else Record.of(answer.json()), now


def server_time(date: str, lease: str) -> datetime:
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        raise ReleaseError(
            f"The API server's answer has no usable Date header ({date!r}), so nobody can tell whether a lock expired",
            where=f"Lease {lease}",
            remedy="let the proxy in front of the API server pass the Date header on",
        ) from None


def write(client: KubeClient, lease: str, before: Record | None, after: Record) -> Record:
    """Create or patch the Lease; ``Conflict`` when it is not ``before`` any more."""
    namespace, _slash, name = lease.partition("/")
    if before is not None:
        return Record.of(client.json_patch(LEASE, name, after.ops(before), namespace))
    try:
        return Record.of(client.create(LEASE, after.body(name), namespace))
    except ApiError as error:
        if not (error.uncertain or error.status >= 500):
            raise
        have, _now = observe(client, lease)
        if have is None or have.claim != after.claim:
            raise Conflict(f"it is not known who created the Lease: {error.what}", where=f"Lease {lease}") from error
        return have
