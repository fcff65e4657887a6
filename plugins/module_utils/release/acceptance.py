# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Record who accepted what a release did. It has ended, so this needs no lock and disturbs no other release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from .index import Attempt, Index
from .machine import INDEX_ACCEPTED
from .recorded import kept
from .register import index_of

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Report = dict[str, Any]


@dataclass(frozen=True)
class Acceptance:
    """What ``who`` wants recorded: the proven ``approvals`` of a release that has ended."""

    namespace: str
    lease: str
    release: str
    approvals: Sequence[Mapping[str, Any]]
    who: str


def accept(client: KubeClient, asked: Acceptance) -> Report:
    """Tell the index who accepted the release. The first acceptance that was recorded stays.

    The newest token is carried on, so a release that is under way goes on writing with its own.
    """
    index = index_of(client, asked.namespace, asked.lease)
    known = Index.of(index.entries())
    attempt = known.attempt(asked.release)
    if attempt is None or not attempt.verdict:
        raise Refused(
            f"Release {asked.release} {'has not ended' if attempt else 'is not in the index'}, so nobody can accept it",
            where=index.store.where,
            remedy="name a release that release_info shows with a verdict",
        )
    if attempt.accepted:
        return _report(attempt, attempt.accepted, changed=False)
    given = _proven(asked.approvals)
    if not client.dry_run:
        after = {"release": asked.release, "approvals": given}
        index_of(client, asked.namespace, asked.lease, asked.who, known.fence).add(INDEX_ACCEPTED, after)
    return _report(attempt, given, changed=True)


def _proven(approvals: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    if not approvals:
        raise Refused(
            "approvals is empty, so nobody would have accepted the release",
            remedy="give those that release_approval with state=verified returned",
        )
    return kept(approvals)


def _report(attempt: Attempt, approvals: Sequence[Mapping[str, str]], *, changed: bool) -> Report:
    given = ", ".join(f"{one['approver']} ({one['role']})" for one in approvals)
    return {
        "changed": changed,
        "release": attempt.release,
        "verdict": attempt.verdict,
        "accepted": [dict(one) for one in approvals],
        "sentence": f"Release {attempt.release}, which ended {attempt.verdict}, was accepted by {given}.",
    }
