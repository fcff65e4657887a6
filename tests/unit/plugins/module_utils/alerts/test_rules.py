# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts out of criteria, and the rules they become."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.alerts.model import Alert, parse_alerts
from ansible_collections.runbook.release.plugins.module_utils.alerts.rules import System, group_of
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError

SHOP = System("shop", "prod", "shops", "shop-1")
SHARE = 'sum(rate(errors_total[5m])) / sum(rate(requests_total{path=~"/a|/b"}[5m]))'


def criterion(name: str = "error share", **more: Any) -> dict[str, Any]:
    source = {"kind": "prometheus", "url": "http://p", "query": SHARE, "fresh": "requests_total"}
    given = {"name": name, "clause": "S-1", "source": source, "select": "value in share", "expect": "< 1 %"}
    return {**given, **more}


def alert(**more: Any) -> dict[str, Any]:
    about = {} if {"query", "orphaned"} & set(more) else {"criterion": "error share"}
    return {"name": "HighErrorRate", "severity": "critical", "summary": "requests fail", **about, **more}


def parsed(given: dict[str, Any], *criteria: dict[str, Any]) -> Alert:
    return parse_alerts([given], {"observe": list(criteria or [criterion()])})[0]


def rules(given: dict[str, Any], *criteria: dict[str, Any]) -> list[dict[str, Any]]:
    return list(group_of(SHOP, [parsed(given, *criteria)])["rules"])


def expression(given: dict[str, Any], *criteria: dict[str, Any]) -> str:
    return str(rules(given, *criteria)[0]["expr"])


def own(query: str, select: str, expect: Any, **more: Any) -> dict[str, Any]:
    return alert(query=query, fresh="up", select=select, expect=expect, **more)


def refusal(*given: dict[str, Any], incidents: list[str] | None = None, **gates: list[dict[str, Any]]) -> str:
    with pytest.raises(ReleaseError) as refused:
        parse_alerts(given, gates or {"observe": [criterion()]}, incidents)
    return str(refused.value)


@pytest.mark.parametrize(
    ("select", "expect", "bound"),
    [
        ("value in share", "< 1 %", "(x) >= 0.01"),
        ("value in share", "<= 0.1 %", "(x) > 0.001"),
        ("value in s", "< 500 ms", "(x) >= 0.5"),
        ("value in ms", "<= 2 s", "(x) > 2000"),
        ("value in /s", "<= 10 /min", "(x) > 0.16666666666666666"),
        ("value", ">= 5", "(x) < 5"),
        ("value", "> 5", "(x) <= 5"),
        ("value", "== 0", "(x) != 0"),
        ("value", 0, "(x) != 0"),
        ("value", "!= 3", "(x) == 3"),
        ("value", "1e-7..2.5", "(x) < 1e-07 or (x) > 2.5"),
        ("value in /s", "100 /s..1000 /s", "(x) < 100 or (x) > 1000"),
        ("value in min", "within 1 h", "(x) > 60"),
        ("series", ">= 2", "count(x) < 2"),
    ],
)
def test_an_alert_fires_when_what_is_expected_does_not_hold(select: str, expect: Any, bound: str) -> None:
    assert expression(own("x", select, expect)) == bound


@pytest.mark.parametrize("how", ["min", "max", "avg", "sum"])
def test_many_series_become_one_value_as_the_criterion_says(how: str) -> None:
    assert expression(alert(), criterion(aggregate=how)) == f"{how}({SHARE}) >= 0.01"


def test_counted_series_have_no_unit() -> None:
    assert expression(alert(), criterion(aggregate="count", expect="< 3")) == f"count({SHARE}) >= 3"


def test_a_comment_in_a_query_does_not_swallow_the_bound() -> None:
    assert expression(own("up # of all\n", "value", "== 1")) == "(\nup # of all\n) != 1"


def test_an_alert_may_expect_less_than_its_gate() -> None:
    assert expression(alert(expect="<= 20 %")) == f"({SHARE}) > 0.2"
    assert expression(alert(expect=0)) == f"({SHARE}) != 0"


def test_every_alert_has_a_twin_that_fires_when_there_is_no_data() -> None:
    fires, silent = rules(alert(**{"for": "10m"}, rolls_back=True))
    assert fires["expr"] == f"({SHARE}) >= 0.01"
    assert silent["alert"] == "HighErrorRateNoData"
    assert silent["expr"] == f"absent(abs({SHARE}) < Inf) or absent(max(time() - timestamp(requests_total)) <= 120)"
    assert (fires["for"], silent["for"]) == ("600s", "600s")
    assert fires["labels"]["rolls_back"] == "true"
    assert "rolls_back" not in silent["labels"], "not knowing is no reason to go back"


def test_the_twin_of_a_short_alert_waits_for_a_scrape_that_failed_once() -> None:
    fires, silent = rules(alert())
    assert "for" not in fires
    assert silent["for"] == "300s"
    assert rules(alert(no_data="12h"))[1]["for"] == "43200s"


def test_a_selector_is_as_old_as_its_own_samples_and_samples_are_counted() -> None:
    plain = {"kind": "prometheus", "url": "http://p", "query": "depth", "max_age": 30}
    silent = rules(alert(), criterion(source=plain, select="value", expect="< 9", aggregate="max", samples=3))[1]
    assert silent["expr"] == "absent(count(abs(depth) < Inf) >= 3) or absent(max(time() - timestamp(depth)) <= 30)"


def test_a_rule_says_whose_it_is_and_what_to_do() -> None:
    fires, silent = rules(alert(component="api", incident="API is down", clause="S-9", rolls_back=True))
    assert fires["labels"] == {
        "system": "shop",
        "environment": "prod",
        "component": "api",
        "severity": "critical",
        "incident": "API is down",
        "rolls_back": "true",
    }
    assert fires["annotations"] == {
        "summary": "requests fail",
        "description": "error share is {{ $value | humanizePercentage }}, expected < 1 %",
        "clause": "S-9",
        "runbook": "ansible-playbook runbook.release.rollback --limit shop-1",
    }
    incident = "ansible-playbook runbook.release.incident --limit shop-1 -e "
    assert silent["annotations"]["runbook"] == incident + '\'{"incident_type": "API is down"}\''
    assert rules(alert(incident="slow"))[0]["annotations"]["runbook"] == incident + "incident_type=slow"
    assert silent["annotations"]["summary"] == "Nobody can tell whether HighErrorRate should fire"
    assert rules(alert())[0]["annotations"]["runbook"] == "ansible-playbook runbook.release.verify --limit shop-1"
    assert rules(alert())[0]["annotations"]["clause"] == "S-1"


def test_the_value_is_told_in_the_unit_of_the_query() -> None:
    said = [
        rules(own("x", select, expect))[0]["annotations"]["description"]
        for select, expect in (
            ("value in s", "< 1 s"),
            ("value in /s", "< 1 /s"),
            ("value", "< 1"),
        )
    ]
    assert said == [
        "HighErrorRate is {{ $value }} s, expected < 1 s",
        "HighErrorRate is {{ $value }}/s, expected < 1 /s",
        "HighErrorRate is {{ $value }}, expected < 1",
    ]


def test_a_release_nobody_goes_on_with_is_one_whose_lock_is_held_and_not_renewed() -> None:
    fires, silent = rules(alert(name="ReleaseOrphaned", orphaned=True))
    assert fires["expr"] == (
        'time() - max(kube_lease_renew_time{namespace="shops",lease="shop-prod"}) > 60 '
        'and on() kube_lease_owner{namespace="shops",lease="shop-prod",lease_holder!=""}'
    )
    assert silent["expr"] == "absent(kube_lease_renew_time)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (alert(severity="page"), "'page' is none of critical, warning, info"),
        (alert(criterion="eror share"), "no gate has a criterion 'eror share'"),
        (alert(name="High error rate"), "not a word of letters, digits and underscores"),
        (alert(tresholds=1), ".tresholds: unknown"),
        (alert(summary=""), ".summary: missing"),
        (
            alert(query="up", criterion="error share", expect="== 1"),
            "give one of criterion, query, orphaned, not criterion and query",
        ),
        (alert(criterion=""), "give one of criterion, query, orphaned"),
        (alert(query="up"), ".expect: missing"),
        (
            alert(query="sum(up)", expect="== 1"),
            "alerts[0].fresh: missing, name the series that the query computes from",
        ),
        (alert(select="value"), ".select: only a query has it"),
        (alert(orphaned=True, expect="< 1"), ".expect: what is expected of a lock is known"),
        (alert(expect="< 5 s"), "alerts[0].expect: 1 is a share, not a time"),
        (alert(expect="<= 2 x baseline"), "not about a number that Prometheus alone knows"),
        (alert(**{"for": "soon"}), "for is 'soon', not a duration"),
    ],
)
def test_a_mistake_is_named_with_its_field(given: dict[str, Any], said: str) -> None:
    assert said in refusal(given)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"aggregate": "p95"}, "Prometheus has no p95 by nearest rank"),
        ({"source": {"kind": "prometheus", "url": "http://p", "query": "up", "range": 60}}, "looks back over a range"),
        ({"source": {"kind": "http", "url": "http://p"}, "select": "error_share"}, "is not asked of Prometheus"),
        ({"select": "age", "expect": "< 1 h"}, "age is not what a query yields"),
    ],
)
def test_a_criterion_that_cannot_be_asked_all_the_time_is_refused(more: dict[str, Any], said: str) -> None:
    assert said in refusal(alert(), observe=[criterion(**more)])


def test_every_mistake_is_named_at_once() -> None:
    said = refusal(alert(severity="page"), alert(name="Other", summary=""))
    assert "alerts[0].severity" in said
    assert "alerts[1].summary" in said


def test_a_criterion_of_two_gates_has_to_be_one() -> None:
    assert parse_alerts([alert()], {"step": [criterion()], "live": [criterion()], "observe": None})
    said = refusal(alert(), step=[criterion()], live=[criterion(expect="< 2 %")])
    assert "one criterion in the gate step and another in live" in said


def test_what_is_observed_is_what_is_watched_whatever_the_gates_of_a_release_ask_by_its_name() -> None:
    (watched,) = parse_alerts([alert()], {"live": [criterion(expect="<= 20 %")], "observe": [criterion()]})
    assert watched.criterion
    assert watched.criterion.expect.text == criterion()["expect"]


def test_two_alerts_of_one_name_are_refused_and_so_is_the_name_of_a_twin() -> None:
    assert "two are called HighErrorRate" in refusal(alert(), alert())
    assert "two are called HighErrorRateNoData" in refusal(alert(), alert(name="HighErrorRateNoData"))


def test_an_incident_has_to_be_one_there_is() -> None:
    assert "no type 'outage'" in refusal(alert(incident="outage"), incidents=["slow"])
    assert parse_alerts([alert(incident="slow")], {"observe": [criterion()]}, ["slow"])
