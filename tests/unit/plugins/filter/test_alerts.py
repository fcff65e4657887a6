# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of alerts, and what follows from one, as playbooks ask for it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.alert_routes import alert_routes
from ansible_collections.runbook.release.plugins.filter.answered import answered

HOOK = {"url": "http://rulebook/alerts", "token_file": "/etc/token"}
PAGER = {"kind": "pagerduty", "routing_key_file": "/etc/pager"}
OWN = {"system": "shop", "environment": "prod", "alerts": [{"name": "High", "rolls_back": True}], "within": "1h"}
ALERT = {
    "labels": {"alertname": "High", "system": "shop", "environment": "prod"},
    "status": "firing",
    "startsAt": "2026-11-24T19:20:00Z",
}


def host(**alerting: Any) -> dict[str, Any]:
    alerts = [{"name": "High", "severity": "critical", "rolls_back": True}]
    receivers = {"receivers": {"critical": [PAGER]}}
    routed = {"routes": "am.yml", "rollback": HOOK, **receivers, **alerting}
    return {
        "release_system": "shop",
        "release_environment": "prod",
        "release_alerts": alerts,
        "release_alerting": routed,
    }


def refusal(*hosts: dict[str, Any]) -> str:
    with pytest.raises(AnsibleFilterError) as refused:
        alert_routes(list(hosts), "am.yml")
    return str(refused.value)


def test_what_rolls_back_goes_to_the_rulebook_at_once_and_to_people_as_well() -> None:
    made = alert_routes([host()], "am.yml")
    (shop,) = made["route"]["routes"]
    rollback, critical = shop["routes"]
    assert rollback["matchers"] == ['rolls_back="true"']
    assert (rollback["receiver"], rollback["group_wait"], rollback["continue"]) == ("shop-prod-rollback", "0s", True)
    assert critical["receiver"] == "shop-prod-critical"
    hook = made["receivers"][1]["webhook_configs"][0]
    assert hook["http_config"]["authorization"] == {"type": "Bearer", "credentials_file": "/etc/token"}


def test_a_name_with_quotes_cannot_leave_its_matcher() -> None:
    made = alert_routes([host() | {"release_system": 'a"} b\\'}], "am.yml")
    assert made["route"]["routes"][0]["matchers"][0] == 'system="a\\"} b\\\\"'


@pytest.mark.parametrize(
    ("alerting", "said"),
    [
        ({"receivers": {}}, "shop-prod.receivers.critical: nobody is told of alerts of this severity"),
        ({"receivers": {"critical": []}}, "nobody is told of alerts of this severity"),
        ({"rollback": {}}, "shop-prod.rollback: missing, and an alert rolls back"),
        ({"rollback": {"url": "http://x"}}, "shop-prod.rollback.token_file: missing"),
        ({"receivers": {"critical": [{"kind": "pager"}]}}, "receivers.critical[0].kind: 'pager' is none of pagerduty"),
        ({"receivers": {"critical": [PAGER | {"key": "k"}]}}, "receivers.critical[0].key: unknown"),
        ({"receivers": {"critical": [PAGER], "page": []}}, "shop-prod.receivers.page: unknown"),
    ],
)
def test_what_leaves_an_alert_unheard_is_refused(alerting: dict[str, Any], said: str) -> None:
    assert said in refusal(host(**alerting))


def test_a_severity_without_anybody_is_no_route() -> None:
    made = alert_routes([host(receivers={"critical": [PAGER], "warning": []})], "am.yml")
    named = {one["name"] for one in made["receivers"]}
    assert {one["receiver"] for one in made["route"]["routes"][0]["routes"]} == named - {"nobody"}


def test_a_system_of_which_nobody_is_told_is_refused() -> None:
    assert "shop-prod.receivers: nobody is told of anything" in refusal(host(receivers={}) | {"release_alerts": []})


def test_two_hosts_of_one_system_and_environment_are_refused() -> None:
    assert "two systems are called shop-prod" in refusal(host(), host())


def test_what_is_no_system_is_refused() -> None:
    assert "these are no systems with their alerts" in refusal({})


def test_an_alert_is_answered_first_without_a_look_and_then_with_one() -> None:
    known = {"releases": [], "unfinished": {}, "owner": {}}
    assert answered(ALERT, OWN)["action"] == "look"
    assert answered(quote(json.dumps(ALERT)), OWN)["action"] == "look"
    assert answered(ALERT, OWN, known, 0)["action"] == "nothing"


@pytest.mark.parametrize("alert", ["{{ 1 }}", {"labels": {}}, 7])
def test_what_is_no_alert_is_refused(alert: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="no alert as Alertmanager tells of it"):
        answered(alert, OWN)


def test_a_window_that_is_no_time_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"release_rollback\.within is 'soon'"):
        answered(ALERT, OWN | {"within": "soon"})
