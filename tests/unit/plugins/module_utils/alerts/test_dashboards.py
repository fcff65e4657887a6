# SPDX-License-Identifier: GPL-3.0-or-later
"""Dashboards show what gates judge, in its unit and with its limit."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.alerts.dashboards import dashboards_of
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError

SHARE = 'sum(rate(requests_total{code="500"}[5m])) / sum(rate(requests_total[5m]))'
SOURCE = {"kind": "prometheus", "url": "http://p", "query": SHARE, "fresh": "requests_total"}
GATES = {
    "observe": [
        {"name": "error share", "source": SOURCE, "select": "value in share", "expect": "< 1 %"},
        {"name": "health", "source": {"kind": "http", "url": "http://a"}, "select": "status", "expect": "== 200"},
    ]
}


def boards(*panels: Any, **more: Any) -> list[dict[str, Any]]:
    return dashboards_of("shop", "prod", {"boards": [{"title": "Overview", "panels": list(panels)}], **more}, GATES)


def panel_of(**given: Any) -> dict[str, Any]:
    (board,) = boards({"title": "It", **given})
    (panel,) = board["panels"]
    return dict(panel)


def steps(panel: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(one["color"], one["value"]) for one in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]


def test_a_panel_asks_what_the_gate_asks_in_its_unit_and_is_green_where_it_holds() -> None:
    panel = panel_of(criterion="error share")
    (target,) = panel["targets"]
    assert SHARE in target["expr"]
    assert target["legendFormat"] == "error share"
    assert panel["fieldConfig"]["defaults"]["unit"] == "percentunit"
    assert steps(panel) == [("green", None), ("red", 0.01)]


@pytest.mark.parametrize(
    ("unit", "expect", "colours"),
    [
        ("V", "< 2000 mV", [("green", None), ("red", 2.0)]),
        ("/s", ">= 60 /min", [("red", None), ("green", 1.0)]),
        ("", "5..10", [("red", None), ("green", 5.0), ("red", 10.0)]),
        ("", "", [("green", None)]),
    ],
)
def test_the_limit_is_in_the_unit_of_the_panel(unit: str, expect: str, colours: list[Any]) -> None:
    assert steps(panel_of(query="depth", unit=unit, expect=expect)) == colours


def test_each_line_has_its_name_and_each_query_its_own_letter() -> None:
    panel = panel_of(queries={"p50": "a", "p95": "b"}, unit="s")
    assert [(one["refId"], one["expr"], one["legendFormat"]) for one in panel["targets"]] == [
        ("Q0", "a", "p50"),
        ("Q1", "b", "p95"),
    ]


def test_no_panel_lies_over_another_and_a_dashboard_is_the_same_each_time() -> None:
    made = boards(*({"title": f"{n}", "query": "up"} for n in range(5)), datasource="main")
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in made[0]["panels"]]
    assert len(set(places)) == 5
    assert {one["datasource"]["uid"] for one in made[0]["panels"]} == {"main"}
    assert made == boards(*({"title": f"{n}", "query": "up"} for n in range(5)), datasource="main")
    other = dashboards_of(
        "shop", "staging", {"boards": [{"title": "Overview", "panels": [{"title": "0", "query": "up"}]}]}, {}
    )
    assert other[0]["uid"] != made[0]["uid"]


@pytest.mark.parametrize(
    ("panel", "told"),
    [
        ({"criterion": "error rate"}, "no gate has a criterion 'error rate'"),
        ({"criterion": "health"}, "is not asked of Prometheus"),
        ({"criterion": "error share", "unit": "s"}, "panels[0].unit: that of the criterion is known"),
        ({"query": "up", "unit": "parsec"}, "'parsec' is none of share"),
        ({"query": "up", "unit": "s", "expect": "< 2 V"}, "panels[0]"),
        ({"query": "up", "queries": {"a": "up"}}, "one of criterion, query, queries"),
        ({"qeury": "up"}, "panels[0].qeury"),
    ],
)
def test_a_mistake_names_its_panel(panel: dict[str, Any], told: str) -> None:
    with pytest.raises(ReleaseError) as caught:
        panel_of(**panel)
    assert told in str(caught.value)


def test_a_dashboard_that_is_linked_has_the_name_of_its_link() -> None:
    one = {"title": "Overview", "uid": "shop-overview", "panels": [{"title": "It", "query": "up"}]}
    (made,) = dashboards_of("shop", "prod", {"boards": [one]}, {})
    assert made["uid"] == "shop-overview"
    with pytest.raises(ReleaseError, match=r"uid: '\.\./x'"):
        dashboards_of("shop", "prod", {"boards": [{**one, "uid": "../x"}]}, {})
    with pytest.raises(ReleaseError, match="two are called shop-overview"):
        dashboards_of("shop", "prod", {"boards": [one, {**one, "title": "Other"}]}, {})


def test_two_dashboards_of_one_title_are_refused() -> None:
    one = {"title": "Overview", "panels": [{"title": "It", "query": "up"}]}
    with pytest.raises(ReleaseError, match="two are called Overview"):
        dashboards_of("shop", "prod", {"boards": [one, one]}, {})
