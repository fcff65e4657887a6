# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Record who accepted what a release did. It has ended, so this needs no lock and disturbs no other release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from .index import Attempt, Index
from .machine import INDEX_ACCEPTED
from .register import index_of

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Report = dict[str, Any]
KEPT = ("role", "approver", "key", "expires", "kind")


def accept(
    client: KubeClient, namespace: str, lease: str, release: str, approvals: Sequence[Mapping[str, Any]], who: str
) -> Report:
    """Tell the index who accepted the release. The first acceptance that was recorded stays."""
    index = index_of(client, namespace, lease)
    known = Index.of(index.entries())
    attempt = known.attempt(release)
    if attempt is None or not attempt.verdict:
        raise Refused(
            f"Release {release} {'has not ended' if attempt else 'is not in the index'}, so nobody can accept it",
            where=index.store.where,
            remedy="name a release that release_info shows with a verdict",
        )
    if attempt.accepted:
        return _report(attempt, attempt.accepted, changed=False)
    given = _kept(approvals)
    if not client.dry_run:
        after = {"release": release, "approvals": given}
        index_of(client, namespace, lease, who, known.fence).add(INDEX_ACCEPTED, after)
    return _report(attempt, given, changed=True)


def _kept(approvals: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What the index keeps of approvals; where their files lie is nobody else's business."""
    if not approvals or any(not one.get(name) for one in approvals for name in KEPT):
        raise Refused(
            f"approvals are not a list of approvals, each with {', '.join(KEPT)}",
            remedy="give those that release_approval with state=verified returned",
        )
    return [{name: str(one[name]) for name in KEPT} for one in approvals]


def _report(attempt: Attempt, approvals: Sequence[Mapping[str, str]], *, changed: bool) -> Report:
    given = ", ".join(f"{one['approver']} ({one['role']})" for one in approvals)
    return {
        "changed": changed,
        "release": attempt.release,
        "verdict": attempt.verdict,
        "accepted": [dict(one) for one in approvals],
        "sentence": f"Release {attempt.release}, which ended {attempt.verdict}, was accepted by {given}.",
    }
