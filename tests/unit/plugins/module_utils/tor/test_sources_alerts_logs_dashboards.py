# SPDX-License-Identifier: GPL-3.0-or-later
"""Alertmanager, OpenSearch and Grafana, answered as their documentation has it."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import serving

from .judging import REPORTS


@pytest.fixture
def server():
    with serving() as own:
        yield own


@pytest.fixture
def ask(server):
    def asking(kind, select, expect, **source):
        given = {"kind": kind, "url": server.url, **source}
        entry = {"name": "it", "timeout": 10, "source": given, "select": select, "expect": expect}
        (verdict,) = evaluate(parse_criteria([entry]), World()).verdicts
        return verdict

    return asking


def alert(name, state="active", began=0.0, **labels):
    starts = datetime.fromtimestamp(time.time() - began, UTC).isoformat().replace("+00:00", "Z")
    return {"labels": {"alertname": name, **labels}, "startsAt": starts, "status": {"state": state}}


class TestAlertmanager:
    @pytest.fixture
    def alerts(self, server):
        """What the server knows; it finds by the name of the alert alone."""
        known = [alert("Watchdog", began=9000), alert("Slow", began=100), alert("Slow", "suppressed", began=5000)]

        def find(query, _body):
            names = [one.split('"')[1] for one in query.get("filter", []) if one.startswith("alertname=")]
            return [one for one in known if not names or one["labels"]["alertname"] in names]

        server.answers["/api/v2/alerts"] = find
        return known

    @pytest.mark.parametrize(
        ("select", "expect", "verdict"),
        [("firing", 1, "pass"), ("firing", 0, "fail"), ("silenced", 1, "pass"), ("alerts", 2, "pass")],
    )
    def test_silenced_alerts_are_counted_apart_and_the_watchdog_never(self, alerts, ask, select, expect, verdict):
        found = ask("alertmanager", select, expect)
        assert found.verdict == verdict, found.sentence

    def test_only_what_began_since_counts(self, alerts, ask):
        assert ask("alertmanager", "alerts", 1, since=time.time() - 600).verdict == "pass"

    def test_a_time_in_the_future_as_of_milliseconds_says_nothing(self, alerts, ask):
        assert ask("alertmanager", "firing", 0, since=1000 * time.time()).verdict == "insufficient"

    def test_an_alert_that_just_came_in_fires(self, alerts, ask):
        alerts[:] = [alert("Watchdog"), alert("New", "unprocessed")]
        assert ask("alertmanager", "firing", 0).verdict == "fail"

    def test_silence_without_the_watchdog_is_insufficient(self, alerts, ask):
        del alerts[:]
        found = ask("alertmanager", "firing", 0)
        assert (found.verdict, "Watchdog" in found.sentence) == ("insufficient", True)
        assert ask("alertmanager", "firing", 0, watchdog="").verdict == "pass"

    def test_matchers_are_sent(self, alerts, ask, server):
        ask("alertmanager", "firing", 0, matchers=['severity="critical"', "colour!=idle"])
        assert server.asked[-1][1]["filter"] == ['severity="critical"', "colour!=idle"]

    def test_a_matcher_it_does_not_understand_is_an_error_with_its_words(self, ask, server):
        server.answers["/api/v2/alerts"] = (400, b'"bad matcher format: x"')
        found = ask("alertmanager", "firing", 0, matchers=["x"])
        assert (found.verdict, "bad matcher format" in found.sentence) == ("error", True)


def recorded(name):
    """What OpenSearch answered."""
    return json.loads((REPORTS / "opensearch" / f"{name}.json").read_text())


class TestOpenSearch:
    @pytest.fixture
    def documents(self, server):
        """Counts of all documents and of those that match, and the rest of an answer."""
        own = {"all": 50, "matching": 4, "shards": {"total": 2, "failed": 0}, "timed_out": False, "relation": "eq"}

        def search(query, _body):
            filters = json.loads(query["source"][0])["query"]["bool"]["filter"]
            begins = [each["gte"] for one in filters for each in one.get("range", {}).values()]
            if not all(re.fullmatch(r"now-\d+[smhdwMy]", begin) for begin in begins):
                return 400, recorded("refused")
            count = own["matching" if any("query_string" in one for one in filters) else "all"]
            hits = {"total": {"value": count, "relation": own["relation"]}}
            return {"_shards": own["shards"], "timed_out": own["timed_out"], "hits": hits}

        server.answers["/logs-*/_search"] = search
        server.answers["/logs-*/_validate/query"] = recorded("valid")
        return own

    def asked(self, ask, select="count", expect=4, **more):
        return ask("opensearch", select, expect, index="logs-*", query="level:ERROR", range=120, **more)

    def test_counts_and_rates(self, documents, ask):
        assert self.asked(ask).verdict == "pass"
        assert self.asked(ask, "rate", "<= 2 /min").verdict == "pass"
        assert self.asked(ask, "rate", "< 2 /min").verdict == "fail"

    @pytest.mark.parametrize(
        ("bad", "why"),
        [
            ({"all": 0}, "not one document was written"),
            ({"shards": {"total": 0, "failed": 0}, "all": 0}, "no index matches"),
            ({"shards": {"total": 2, "failed": 1}}, "1 of 2 shards failed"),
            ({"timed_out": True}, "the time ran out"),
            ({"relation": "gte"}, "not counted to the end"),
        ],
    )
    def test_no_errors_where_nothing_was_searched_is_insufficient(self, documents, ask, bad, why):
        documents.update({"matching": 0, **bad})
        found = self.asked(ask, expect=0)
        assert (found.verdict, why in found.sentence) == ("insufficient", True)

    def test_a_field_that_no_index_has_matches_nothing_and_says_nothing(self, documents, ask, server):
        (lacks,), (has,) = (recorded(name)["explanations"] for name in ("unmapped", "valid"))
        documents["matching"] = 0
        for explanations, verdict in (([lacks], "insufficient"), ([lacks, has], "pass"), ([has], "pass")):
            server.answers["/logs-*/_validate/query"] = {"explanations": explanations}
            found = self.asked(ask, expect=0)
            assert (found.verdict, "lvel" in found.sentence) == (verdict, verdict != "pass"), found.sentence

    def test_what_a_real_server_answered(self, ask, server):
        server.answers["/_cluster/health"] = recorded("health")
        assert ask("opensearch", "health", '== "yellow"').verdict == "pass"
        for name, verdict, said in (
            ("found", "pass", "count is 1"),
            ("nothing", "insufficient", "no index matches"),
            ("refused", "error", "operator not supported for date math"),
        ):
            server.answers["/logs-*/_search"] = (400 if verdict == "error" else 200, recorded(name))
            found = ask("opensearch", "count", 1, index="logs-*")
            assert (found.verdict, said in found.sentence) == (verdict, True), found.sentence

    def test_an_index_that_does_not_exist_is_an_error(self, ask, server):
        server.answers["/logs-*/_search"] = (404, recorded("absent"))
        found = self.asked(ask)
        assert (found.verdict, "no such index" in found.sentence) == ("error", True)

    @pytest.mark.parametrize(("status", "verdict"), [("green", "pass"), ("yellow", "fail")])
    def test_health(self, ask, server, status, verdict):
        server.answers["/_cluster/health"] = {"status": status, "timed_out": False}
        assert ask("opensearch", "health", '== "green"').verdict == verdict

    def test_a_rate_without_a_range_is_an_error(self, documents, ask):
        assert ask("opensearch", "rate", "< 1 /s", index="logs-*").verdict == "error"


def panel(title, *expressions, **more):
    targets = [{"refId": chr(65 + n), "expr": text} for n, text in enumerate(expressions)]
    return {"title": title, "type": "timeseries", "datasource": {"uid": "$source"}, "targets": targets, **more}


def frame(*values):
    fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number"}]
    return {
        "schema": {"fields": fields},
        "data": {"values": [[1700000000000 + n for n in range(len(values))], [*values]]},
    }


class TestGrafana:
    @pytest.fixture
    def grafana(self, server):
        """A dashboard whose data the test decides by the expression of a query."""
        data = {}
        row = {"type": "row", "title": "more", "panels": [panel("p95", 'latency{namespace="$namespace"}')]}
        hidden = panel("traffic", "requests", targets=[{"expr": "requests"}, {"expr": "secret", "hide": True}])
        namespace = {"name": "namespace", "current": {"value": ["shop", "cart"]}}
        variables = [namespace, {"name": "source", "current": {"value": "ds1"}}]
        model = {"panels": [row, hidden, {"type": "text"}], "templating": {"list": variables}}
        own = {"title": "API Performance", "uid": "abc"}

        def search(query, _body):
            return [own, {"title": "API Performance (old)", "uid": "old"}] if "query" in query else [own]

        def query(_query, body):
            results = {}
            for one in body["queries"]:
                found = data.get(one["expr"], [1.0])
                error = found if isinstance(found, str) else ""
                results[one["refId"]] = {"error": error} if error else {"frames": [frame(*found)]}
            return {"results": results}

        server.answers |= {
            "/api/search": search,
            "/api/dashboards/uid/abc": {"dashboard": model},
            "/api/ds/query": query,
        }
        return data

    @pytest.mark.parametrize("dashboard", ["API Performance", "abc"])
    def test_a_dashboard_with_data_in_every_panel(self, grafana, ask, dashboard):
        assert ask("grafana", "exists", "== true", dashboard=dashboard).verdict == "pass"
        assert ask("grafana", "panels", 2, dashboard=dashboard).verdict == "pass"
        assert ask("grafana", "data_share", "== 100 %", dashboard=dashboard).verdict == "pass"

    @pytest.mark.parametrize("nothing", [[], [None, None], "datasource is away"])
    def test_a_panel_without_data_counts_and_is_named(self, grafana, ask, nothing):
        grafana["requests"] = nothing
        found = ask("grafana", "empty_panels", 0, dashboard="API Performance")
        assert (found.verdict, found.observed, "traffic" in found.evidence["empty"]) == ("fail", 1, True)
        assert ask("grafana", "data_share", ">= 51 %", dashboard="API Performance").verdict == "fail"

    def test_variables_are_put_in_as_saved_or_as_given(self, grafana, ask, server):
        ask("grafana", "empty_panels", 0, dashboard="API Performance")
        ask("grafana", "empty_panels", 0, dashboard="API Performance", variables={"namespace": "other"})
        queries = [
            one for path, _query, body, _headers in server.asked if path == "/api/ds/query" for one in body["queries"]
        ]
        assert {one["expr"] for one in queries} == {
            'latency{namespace="(shop|cart)"}',
            'latency{namespace="other"}',
            "requests",
        }
        assert {one["datasource"]["uid"] for one in queries} == {"ds1"}

    def test_one_that_does_not_exist(self, grafana, ask):
        assert ask("grafana", "exists", "== true", dashboard="Nothing").verdict == "fail"
        assert ask("grafana", "empty_panels", 0, dashboard="Nothing").verdict == "error"

    def test_two_of_the_same_title_are_an_error(self, grafana, ask, server):
        server.answers["/api/search"] = [{"title": "X", "uid": "1"}, {"title": "X", "uid": "2"}]
        assert ask("grafana", "exists", "== true", dashboard="X").verdict == "error"

    def test_one_that_asks_for_no_data_is_insufficient(self, grafana, ask, server):
        server.answers["/api/dashboards/uid/abc"] = {"dashboard": {"panels": [{"type": "text"}]}}
        assert ask("grafana", "empty_panels", 0, dashboard="API Performance").verdict == "insufficient"

    def test_a_login_it_does_not_accept_is_an_error_and_no_empty_panel(self, grafana, ask, server):
        server.answers["/api/ds/query"] = (401, {"message": "Unauthorized"})
        assert ask("grafana", "empty_panels", ">= 0", dashboard="API Performance").verdict == "error"

    def test_it_is_not_asked_as_a_service(self, ask):
        with pytest.raises(ReleaseError, match="by url only"):
            ask("grafana", "exists", "== true", dashboard="X", service="grafana", url="")
