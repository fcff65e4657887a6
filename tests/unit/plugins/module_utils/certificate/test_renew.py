# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.certificate import renew
from ansible_collections.runbook.release.plugins.module_utils.certificate.renew import (
    AWAIT,
    LEAVE,
    RENEW,
    Certificate,
    Request,
    asked_for,
    decide,
    operate,
)
from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.scripted_api import (
    HangUp,
    Line,
    Reply,
    ScriptedApi,
    Stream,
    failure,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86400.0
ALL = renew.CERTIFICATE.path("shop")
PATH = renew.CERTIFICATE.path("shop", "tls")


def certificate(days: float | None, **conditions: str) -> Certificate:
    status: dict[str, Any] = {"revision": 3, "conditions": [{"type": t, "status": s} for t, s in conditions.items()]}
    if days is not None:
        status["notAfter"] = (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Certificate({"metadata": {"name": "tls", "resourceVersion": "7", "generation": 2}, "status": status})


@pytest.mark.parametrize(
    ("found", "valid_for", "act", "said"),
    [
        (certificate(60, Ready="True"), 30 * DAY, LEAVE, "it is valid for another 60 d, 30 d is enough"),
        (certificate(12, Ready="True"), 30 * DAY, RENEW, "it was valid for 12 d"),
        (certificate(60, Ready="True"), None, RENEW, "it was valid for 60 d"),
        (certificate(60, Ready="False"), 30 * DAY, RENEW, "it was valid for 60 d"),
        (certificate(-2, Ready="False"), 30 * DAY, RENEW, "it ended 2 d ago"),
        (certificate(None), 30 * DAY, RENEW, "it was never issued, and is asked for again"),
        (certificate(60, Ready="True", Issuing="True"), None, AWAIT, "it is being issued already, and is awaited"),
    ],
)
def test_what_is_valid_for_long_enough_is_left_and_what_is_being_issued_is_awaited(
    found: Certificate, valid_for: float | None, act: str, said: str
) -> None:
    plan = decide(found, valid_for, NOW)
    assert (plan.act, plan.sentence) == (act, said)


def test_the_wish_leaves_the_other_conditions_and_fails_if_somebody_was_faster() -> None:
    wish = asked_for(certificate(12, Ready="True", Issuing="False"), NOW)
    assert wish["metadata"] == {"resourceVersion": "7"}
    kept, asked = wish["status"]["conditions"]
    assert kept == {"type": "Ready", "status": "True"}
    assert (asked["type"], asked["status"], asked["observedGeneration"]) == ("Issuing", "True", 2)


def renewed(found: Certificate, *answers: Line) -> int:
    """The revision after a renewal by an API server that answers so to the wish, and has `found` afterwards."""
    done = certificate(90, Ready="True")
    done.obj["status"]["revision"] = 4
    with ScriptedApi() as api:
        api.on("GET", PATH, Reply(body=certificate(12, Ready="True").obj), *[Reply(body=found.obj)] * 2)
        api.on("PATCH", PATH + "/status", *answers)
        api.on("GET", ALL, Reply(body={"metadata": {"resourceVersion": "9"}, "items": [done.obj]}), Stream([]))
        client = KubeClient(KubeAuth(host=api.url, api_key="x"))
        return operate(client, Request("shop", "tls", None, 5.0), Book()).after.revision


GONE_ON = certificate(12, Ready="True", Issuing="True")
ISSUED = certificate(90, Ready="True")
ISSUED.obj["status"]["revision"] = 4
LOST, FASTER = HangUp(reset=True), failure(409, "the object has been modified")


@pytest.mark.parametrize("found", [GONE_ON, ISSUED])
def test_a_wish_whose_answer_was_lost_is_awaited_though_cert_manager_has_gone_on(found: Certificate) -> None:
    assert renewed(found, LOST, FASTER) == 4


@pytest.mark.parametrize(("found", "answers"), [(GONE_ON, [FASTER]), (certificate(12, Ready="False"), [LOST, FASTER])])
def test_a_wish_that_somebody_was_faster_than_is_a_conflict(found: Certificate, answers: list[Line]) -> None:
    with pytest.raises(Conflict):
        renewed(found, *answers)
