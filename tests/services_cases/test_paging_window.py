# SPDX-License-Identifier: GPL-3.0-or-later
"""While a planned downtime lasts a real Alertmanager pages nobody, and afterwards it does."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.paging.services import Alertmanager as Silences
from ansible_collections.runbook.release.plugins.module_utils.paging.services import Wire
from ansible_collections.runbook.release.plugins.module_utils.paging.window import CLOSED, OPEN, Want, operate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.prometheus import Alertmanager

NAME = "maintenance of shop"


@pytest.fixture(scope="module")
def alertmanager() -> Iterator[Alertmanager]:
    with Alertmanager() as server:
        assert isinstance(server, Alertmanager)
        yield server


def pages(server: Alertmanager) -> list[str]:
    """The alerts that people are paged for."""
    with urllib.request.urlopen(f"{server.url}/api/v2/alerts?silenced=false") as answer:
        return sorted(one["labels"]["alertname"] for one in json.load(answer))


def test_nobody_is_paged_for_the_system_until_its_window_ends(alertmanager: Alertmanager) -> None:
    alertmanager.post("alerts", [{"labels": {"alertname": name, "namespace": name}} for name in ("shop", "store")])
    theirs = {"matchers": [{"name": "alertname", "value": "x", "isRegex": False}], "comment": NAME, "createdBy": "bob"}
    now = datetime.now(UTC)
    ends = (now + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    alertmanager.post("silences", {**theirs, "startsAt": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "endsAt": ends})
    silences = Silences(Wire(alertmanager.url), {"namespace": "shop"})
    assert operate(silences, Want(OPEN, NAME, 3600), now, dry=True).report()["changed"]
    assert pages(alertmanager) == ["shop", "store"]
    first = operate(silences, Want(OPEN, NAME, 3600), now).report()
    assert (first["before"], pages(alertmanager)) == ([], ["store"])
    longer = operate(silences, Want(OPEN, NAME, 7200), now).report()
    assert longer["before"] == first["after"]
    assert longer["after"][0]["ends"] > first["after"][0]["ends"]
    assert len(silences.windows(NAME)) == 1
    store = Silences(Wire(alertmanager.url), {"namespace": "store"})
    assert len(operate(store, Want(OPEN, NAME, 3600), now).report()["after"]) == 2
    assert not operate(store, Want(OPEN, NAME, 3600), now).report()["changed"]
    assert pages(alertmanager) == []
    assert operate(silences, Want(CLOSED, NAME), now).report()["changed"]
    assert pages(alertmanager) == ["shop", "store"]
    assert not operate(silences, Want(CLOSED, NAME), now).report()["changed"]


def test_what_the_service_refuses_is_told_in_its_words(alertmanager: Alertmanager) -> None:
    with pytest.raises(ReleaseError, match=r"answered with 422: .*matchers in body should have at least 1"):
        operate(Silences(Wire(alertmanager.url), {}), Want(OPEN, NAME, 60), datetime.now(UTC))
