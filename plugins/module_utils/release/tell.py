# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What is known of all releases of a system in one environment, for people. Nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ledger.store import Store
from ..lock.decide import owner
from ..lock.keep import observe
from .index import RESTORE, TASKS, Attempt, Index, mend, read
from .machine import INDEX_ENDED
from .register import index_of
from .story import Story

if TYPE_CHECKING:
    from ..kube.client import KubeClient


def tell(client: KubeClient, namespace: str, lease: str, release: str = "") -> dict[str, Any]:
    """The index, the unfinished release as its ledger tells it, what is on hold, and who holds the lock.

    Of ``release`` also what its ledger recorded when it began.
    """
    index = Index.of(index_of(client, namespace, lease).entries())
    attempt, story, untold = index.unfinished, Story(), ""
    if attempt:
        story = Story.of(read(Store(client, namespace, attempt.release)))
        if lacking := mend(attempt, story):
            untold = attempt.release
            index, attempt = index.told(INDEX_ENDED, lacking, story.last.when if story.last else "", ""), None
    stories = [Story.of(read(Store(client, namespace, one.release))) for one in index.standing]
    restoring = story.begun.get("inputs", {}) if attempt and attempt.kind == RESTORE else {}
    have, now = observe(client, f"{namespace}/{lease}")
    return {
        "releases": [one.report() for one in index.attempts],
        "unfinished": standing(attempt, story) if attempt and attempt.kind != TASKS else {},
        "tasks": standing(attempt, story) if attempt and attempt.kind == TASKS else {},
        "untold": untold,
        "begun": dict(Story.of(read(Store(client, namespace, release))).begun) if release else {},
        "ways_back": sorted({*restoring.values(), *(id for one in stories for id in one.backups.values())}),
        "holds": [hold.report() for hold in index.holds],
        "owner": owner(have, now) if have and have.holder else {},
        "typical_seconds": index.typical_seconds,
    }


def standing(attempt: Attempt, story: Story) -> dict[str, Any]:
    """Where an unfinished release stands."""
    return {
        "release": attempt.release,
        "version": attempt.version,
        "kind": attempt.kind,
        "who": attempt.who,
        "began": attempt.began,
        "at": story.open,
        "done": list(story.done),
        "way": story.way,
        "weights": dict(story.weights),
        "backups": dict(story.backups),
        "migrated": story.migrated,
        "rolled": list(story.rolled),
        "alone": list(attempt.alone),
        "sentence": f"{attempt.title} stands {story.stands}.",
    }
