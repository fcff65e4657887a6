# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Who was told of what, in the index of all releases: once each, whoever tells and however often they are started.

It needs no lock, as some is told before a release begins or after it has ended, and disturbs no release.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..ledger.chain import Entry
from ..release.index import RELEASED, Index
from ..release.machine import INDEX_TOLD
from ..release.register import index_of
from .announced import in_time, is_open, openings, standing, to_announce

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Report = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """The ``event`` of ``about`` (a release, or the digest of a plan) that people are told; ``window`` of a notice."""

    event: str
    about: str
    version: str = ""
    window: Mapping[str, str] = field(default_factory=dict)


def due(client: KubeClient, namespace: str, lease: str, told: Told, names: Sequence[str]) -> Report:
    """Of ``names`` those who were not told yet."""
    entries = index_of(client, namespace, lease).entries()
    known = reached(entries, told)
    return {"changed": False, "due": [name for name in names if name not in known]}


def announce(client: KubeClient, namespace: str, lease: str, told: Told, calendar: Mapping[str, Any]) -> Report:
    """The window that is announced for the version: the one it was announced for, until that has ended.

    None for a version that is being released, or was released last.
    """
    entries = index_of(client, namespace, lease).entries()
    newest = Index.of(entries).newest
    if newest and newest.version == told.version and newest.verdict in ("", RELEASED):
        return {"changed": False, "window": {}}
    ahead = openings(calendar["windows"], calendar["freezes"], calendar["at"])
    window = standing(entries, told.version, ahead) or to_announce(ahead, calendar["at"])
    return {"changed": False, "window": window.report() if window else {}}


def announced(client: KubeClient, namespace: str, lease: str, told: Told, calendar: Mapping[str, Any]) -> Report:
    """Refused unless the version was announced in time for the window that is open and asks for it."""
    window = is_open(calendar["windows"], calendar["freezes"], calendar["at"])
    if window is None:
        return {"changed": False, "window": {}}
    index = index_of(client, namespace, lease)
    if in_time(index.entries(), told.version, window):
        return {"changed": False, "window": window.report()}
    said = window.report()
    raise Refused(
        f"{told.version} was not announced by {said['notice_by']} for the window that began at {said['begins']}",
        where=index.store.where,
        remedy="plan it and run notify.yml in time before another window, or have those of release_approvals.override "
        "approve a plan made with -e \"release_override_window='the reason'\"",
    )


def record(
    client: KubeClient, namespace: str, lease: str, told: Told, outcomes: Sequence[Mapping[str, Any]], who: str
) -> Report:
    """Record who was told and who could not be. The newest token is carried on, so a release under way goes on."""
    if outcomes and not client.dry_run:
        fence = Index.of(index_of(client, namespace, lease).entries()).fence
        index_of(client, namespace, lease, who, fence).add(INDEX_TOLD, _entry(told, outcomes))
    return {"changed": bool(outcomes)}


def reached(entries: Iterable[Entry], told: Told) -> set[str]:
    """Who was told of it."""
    found: set[str] = set()
    for one in entries:
        after = one.after or {}
        if one.what == INDEX_TOLD and (after["event"], after["about"]) == (told.event, told.about):
            found |= set(after["told"])
    return found


def _entry(told: Told, outcomes: Sequence[Mapping[str, Any]]) -> Report:
    return {
        "event": told.event,
        "about": told.about,
        "version": told.version,
        "window": dict(told.window),
        "told": [one["name"] for one in outcomes if one["delivered"]],
        "untold": [{"name": one["name"], "why": one["why"]} for one in outcomes if not one["delivered"]],
    }
