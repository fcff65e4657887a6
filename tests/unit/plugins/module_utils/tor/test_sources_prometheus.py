# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers a real Prometheus gives only at bad moments; what it answers otherwise is in tests/services_cases."""

from __future__ import annotations

import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import serving

QUERY = "/api/v1/query"
RANGE = "/api/v1/query_range"


class FaultyPrometheus:
    """Answers every query with the same series, whose samples are so old, by a clock that is so far ahead."""

    def __init__(self, server):
        self.server = server
        self.ahead = 0.0
        self.age = 5.0
        self.more = {}
        server.answers = {QUERY: self.query, RANGE: self.range}
        self.values(1)

    def values(self, *values):
        self.series = [{"metric": {"pod": f"p{n}"}, "value": str(value)} for n, value in enumerate(values)]
        self.points = []

    def data(self, kind, result):
        return {"status": "success", "data": {"resultType": kind, "result": result}, **self.more}

    def query(self, query, _body):
        now, asked = time.time() + self.ahead, query["query"][0]
        if asked == "time()":
            return self.data("scalar", [now, str(now)])
        if asked.startswith("timestamp("):
            return self.data("vector", [{"metric": {}, "value": [now, str(now - self.age)]} for _one in self.series])
        return self.data("vector", [{**one, "value": [now, one["value"]]} for one in self.series])

    def range(self, query, _body):
        now = float(query["end"][0])
        return self.data("matrix", [{"metric": {}, "values": [[now, str(value)] for value in self.points]}])


@pytest.fixture
def prometheus():
    with serving() as server:
        yield FaultyPrometheus(server)


@pytest.fixture
def ask(prometheus):
    def asking(select="value", expect=">= 0", source=None, **entry):
        given = {"kind": "prometheus", "url": prometheus.server.url, "query": "some_metric", **(source or {})}
        whole = {"name": "it", "timeout": 10, "source": given, "select": select, "expect": expect, **entry}
        (verdict,) = evaluate(parse_criteria([whole]), World()).verdicts
        return verdict

    return asking


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
@pytest.mark.parametrize("aggregate", ["", "max", "min", "avg", "count", "last"])
def test_a_value_that_is_no_number_is_insufficient_however_it_is_aggregated(prometheus, ask, value, aggregate):
    for values in ((value,), (1, value), (value, 1), (value, value)):
        prometheus.values(*values)
        found = ask(aggregate=aggregate)
        assert found.verdict == "insufficient", found.sentence


@pytest.mark.parametrize("aggregate", ["", "sum", "count"])
def test_an_empty_result_is_insufficient_even_when_counted(prometheus, ask, aggregate):
    prometheus.values()
    found = ask(aggregate=aggregate, expect="== 0")
    assert (found.verdict, "no result" in found.sentence) == ("insufficient", True)


def test_several_series_are_an_error_until_they_are_aggregated(prometheus, ask):
    prometheus.values(1, 2)
    assert ask().verdict == "error"
    assert ask(aggregate="max", expect="== 2").verdict == "pass"
    assert ask(select="series", expect="== 2").verdict == "pass"


@pytest.mark.parametrize(
    ("select", "value", "expect", "verdict"),
    [
        ("value in s", "0.9", "< 500 ms", "fail"),
        ("value in s", "0.4", "< 500 ms", "pass"),
        ("value in share", "0.002", "< 0.1 %", "fail"),
        ("value in %", "0.05", "< 0.1 %", "pass"),
        ("value in B", "3e9", "< 2 GiB", "fail"),
        ("value", "7", "== 7", "pass"),
    ],
)
def test_the_unit_of_the_query_is_said_in_select(prometheus, ask, select, value, expect, verdict):
    prometheus.values(value)
    found = ask(select=select, expect=expect)
    assert found.verdict == verdict, found.sentence


@pytest.mark.parametrize("expect", ["< 500 ms", "< 1 %", '== "up"'])
def test_a_value_without_a_unit_is_never_taken_to_be_in_that_of_the_threshold(ask, expect):
    with pytest.raises(ReleaseError, match=r"\.expect: "):
        ask(expect=expect)


@pytest.mark.parametrize("select", ["values", "value in furlong", "series in s", "value in"])
def test_what_cannot_be_selected_is_a_mistake(ask, select):
    with pytest.raises(ReleaseError, match=r"\.select: "):
        ask(select=select)


class TestAge:
    def test_a_stale_sample_is_refused(self, prometheus, ask):
        prometheus.age = 130.0
        found = ask()
        assert (found.verdict, "130 s old" in found.sentence) == ("insufficient", True)
        assert ask(source={"max_age": 200}).verdict == "pass"

    def test_the_age_of_what_an_expression_is_computed_from_is_asked_for(self, prometheus, ask):
        ask(source={"query": "rate(x[5m])", "fresh": "x"})
        assert prometheus.server.asked[-1][1]["query"] == ["timestamp(\nx\n)"]

    @pytest.mark.parametrize(
        "query",
        [
            "up",
            " job:errors:rate5m ",
            'up{job="a}b(", pod=~\'x"y\'}',
            '{__name__="up"}',
            "up {path=`a\\`}",
        ],
    )
    def test_a_selector_tells_its_age_itself(self, ask, query):
        assert ask(source={"query": query}).verdict == "pass"

    @pytest.mark.parametrize(
        "query",
        [
            "rate(x[5m])",
            "sum(up)",
            "x / y",
            "x > 3",
            "scalar(up)",
            "1",
            "time()",
            "up or vector(0)",
            "-up",
            "x offset 1h",
        ],
    )
    def test_an_expression_has_to_name_what_it_is_computed_from(self, ask, query):
        with pytest.raises(ReleaseError, match=r"\.source\.fresh: missing, name the series"):
            ask(source={"query": query})
        assert ask(source={"query": query, "fresh": "x"}).verdict == "pass"

    def test_a_range_is_refused_when_its_newest_samples_are_stale(self, prometheus, ask):
        prometheus.points = [1, 1]
        prometheus.age = 130.0
        assert ask(source={"range": 600}).verdict == "insufficient"

    def test_it_can_be_selected(self, prometheus, ask):
        prometheus.age = 50.0
        assert ask(select="age", expect="< 1 min").verdict == "pass"
        assert ask(select="age", expect="< 40 s").verdict == "fail"


class TestClock:
    @pytest.mark.parametrize("ahead", [-45.0, 45.0])
    @pytest.mark.parametrize("source", [{}, {"range": 60}])
    def test_clocks_that_differ_are_an_error(self, prometheus, ask, ahead, source):
        prometheus.ahead = ahead
        prometheus.points = [1]
        found = ask(source=source)
        assert (found.verdict, "the clock of the server" in found.sentence) == ("error", True)

    def test_a_small_difference_does_not_matter_and_cuts_no_range_off(self, prometheus, ask):
        prometheus.ahead = -20.0
        prometheus.points = [1]
        assert ask(source={"range": 60}).verdict == "pass"
        asked = next(query for path, query, _body, _headers in prometheus.server.asked if path == RANGE)
        assert float(asked["end"][0]) == pytest.approx(time.time() - 20, abs=8)


class TestRange:
    def test_its_points_are_the_samples(self, prometheus, ask):
        prometheus.points = [1, 2, 9]
        source = {"range": 60}
        assert ask(source=source, aggregate="max", samples=3, expect="== 9").verdict == "pass"
        assert ask(source=source, aggregate="max", samples=4, expect="== 9").verdict == "insufficient"

    def test_it_begins_where_since_says(self, prometheus, ask):
        prometheus.points = [1]
        since = round(time.time()) - 300
        assert ask(source={"since": since}).verdict == "pass"
        asked = next(query for path, query, _body, _headers in prometheus.server.asked if path == RANGE)
        assert (float(asked["start"][0]), float(asked["step"][0])) == (since, pytest.approx(5, abs=1))

    def test_one_that_begins_in_the_future_is_insufficient(self, ask):
        assert ask(source={"since": time.time() + 60}).verdict == "insufficient"

    @pytest.mark.parametrize(
        ("source", "mistake"),
        [
            ({"range": 86400, "step": 1}, ".source.step: more than 11000 points"),
            ({"range": 60, "since": 5}, ".source.since: there is a range, too"),
            ({"range": -1}, ".source.range: is less than 0"),
            ({"max_age": 0}, ".source.max_age: is not more than 0"),
            ({"service": "prometheus"}, ".source.url: give either url or service"),
        ],
    )
    def test_mistakes(self, ask, source, mistake):
        with pytest.raises(ReleaseError) as caught:
            ask(source=source)
        assert mistake in str(caught.value)


@pytest.mark.parametrize("more", [{"warnings": ["store gateway 2 is away"]}, {"isPartial": True}])
def test_a_partial_answer_is_insufficient(prometheus, ask, more):
    prometheus.more = more
    assert ask().verdict == "insufficient"


def test_native_histograms_are_an_error(prometheus, ask):
    prometheus.server.answers[QUERY] = prometheus.data("vector", [{"metric": {}, "histogram": [1, {"count": "3"}]}])
    assert ask().verdict == "error"


def test_a_query_it_does_not_understand_is_an_error_with_its_words(prometheus, ask):
    said = {"status": "error", "errorType": "bad_data", "error": "1:5: parse error: unexpected end of input"}
    prometheus.server.answers[QUERY] = (400, said)
    found = ask()
    assert (found.verdict, "unexpected end of input" in found.sentence) == ("error", True)


class Cluster:
    """A Service in the cluster, asked through the API server."""

    def __init__(self, prometheus):
        self.prometheus, self.asked = prometheus, []

    def get(self, kind, name, namespace=""):
        return {"spec": {"ports": [{"name": "http", "port": 9090}, {"name": "reloader", "port": 8080}]}}

    def service_get(self, service, namespace, port, path, headers=None, timeout=10.0):
        from urllib.request import urlopen

        self.asked.append((service, namespace, port))
        with urlopen(self.prometheus.server.url + path) as answer:
            return answer.status, {}, answer.read()


def test_it_is_asked_as_a_service_of_the_cluster(prometheus):
    cluster = Cluster(prometheus)
    source = {"kind": "prometheus", "service": "prometheus", "namespace": "monitoring", "query": "up"}
    criteria = parse_criteria([{"name": "it", "source": source, "select": "value", "expect": 1}])
    (verdict,) = evaluate(criteria, World("shop", lambda: cluster)).verdicts
    assert verdict.verdict == "pass", verdict.sentence
    assert set(cluster.asked) == {("prometheus", "monitoring", "9090")}
