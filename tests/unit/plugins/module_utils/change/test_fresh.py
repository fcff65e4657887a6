# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what was started before a secret changed is restarted, and only once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.change.fresh import (
    STARTED_WITH,
    Changes,
    changes_of,
    marks,
    since,
    stale,
)
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused

Obj = dict[str, Any]
NAMED = [("Secret", "database")]
AT = "2026-11-21T16:00:05Z"


def secret(version: str = "7", times: tuple[str, ...] = (AT,), name: str = "database") -> Obj:
    fields = [{"manager": "somebody", "time": time} for time in times]
    metadata = {"name": name, "resourceVersion": version, "managedFields": fields}
    return {"kind": "Secret", "metadata": {**metadata, "creationTimestamp": "2026-01-01T00:00:00Z"}}


def pod(name: str, started: str, changes: Changes | None = None, **metadata: Any) -> Obj:
    annotations = {STARTED_WITH: changes.text()} if changes else {}
    return {"metadata": {"name": name, "creationTimestamp": started, "annotations": annotations, **metadata}}


def test_pods_started_before_the_newest_change_are_stale() -> None:
    changes = changes_of(NAMED, [secret(times=("2026-11-20T00:00:00Z", AT)), secret(name="other")], "shop")
    assert changes.at == AT
    pods = [pod("old", "2026-11-21T16:00:04Z"), pod("same", AT), pod("new", "2026-11-21T16:00:06Z")]
    assert stale(pods, changes) == ["old", "same"]


def test_a_second_restart_in_the_same_second_finds_nothing_stale() -> None:
    changes = changes_of(NAMED, [secret()], "shop")
    assert STARTED_WITH in marks(AT, changes)
    assert stale([pod("restarted", AT, changes)], changes) == []
    newer = changes_of(NAMED, [secret("8")], "shop")
    assert stale([pod("restarted", AT, changes)], newer) == ["restarted"]


def test_a_pod_on_its_way_out_keeps_nobody() -> None:
    changes = changes_of(NAMED, [secret()], "shop")
    assert stale([pod("gone", "2026-11-21T15:00:00Z", deletionTimestamp=AT)], changes) == []


def test_a_secret_nobody_wrote_since_it_was_made_counts_from_then() -> None:
    assert changes_of(NAMED, [secret(times=())], "shop").at == "2026-01-01T00:00:00Z"


def test_a_secret_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="no Secret database"):
        changes_of(NAMED, [], "shop")


def test_a_moment() -> None:
    assert stale([pod("old", "2026-11-21T16:00:04Z"), pod("new", AT)], since("2026-11-21T16:00:05.5Z")) == ["old"]
    assert set(marks(AT, since(AT))) == {"kubectl.kubernetes.io/restartedAt"}
    with pytest.raises(Refused, match="is no moment"):
        since("yesterday")
