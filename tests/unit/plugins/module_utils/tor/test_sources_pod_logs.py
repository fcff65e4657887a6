# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that pods write after a release, against those they wrote before."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.baseline import Baseline
from ansible_collections.runbook.release.plugins.module_utils.tor.capture import baseline_of, capture
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources import logs
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World

BEFORE = """2026-11-22T16:00:01Z INFO listening on 8080
2026-11-22T16:00:02Z ERROR order 4711 of "alice" was not found
2026-11-22T16:00:03Z ERROR order 4712 of "bob" was not found"""
SAME = '2026-11-22T17:30:00Z ERROR order 9 of "carol" was not found'
NEW = 'ERROR password "hunter2" was refused by the database'


def world(baseline=None, **said):
    """Pods that wrote this."""
    pods = [{"metadata": {"name": name}, "spec": {"containers": [{"name": "api"}]}} for name in said]
    client = SimpleNamespace(list=lambda *_: pods, logs=lambda pod, *_, **__: said[pod], beside=lambda **_: client)
    return World("shop", lambda: client, baseline=Baseline.parse(baseline))


def criteria(select="kinds", expect="in baseline", **source):
    source = {"kind": "logs", "labels": "app=api", "range": 600, **source}
    return parse_criteria([{"name": "errors", "source": source, "select": select, "expect": expect}])


def judge(given, where):
    (verdict,) = evaluate(given, where).verdicts
    return verdict


@pytest.fixture
def before():
    """As the ledger gives it back."""
    return json.loads(json.dumps(baseline_of(capture(criteria(), world(a=BEFORE)))))


def test_an_error_that_was_there_before_passes_however_often_and_about_whatever_it_is(before):
    assert len(before["errors"]["observed"]) == 1
    found = judge(criteria(), world(before, a=SAME, b=SAME))
    assert (found.verdict, found.observed) == ("pass", 0), found.sentence


def test_an_error_of_a_kind_that_was_not_there_before_fails(before):
    found = judge(criteria(), world(before, a=SAME, b=NEW))
    assert (found.verdict, found.observed) == ("fail", 1)
    assert "not there before" in found.sentence
    assert "ERROR password # was refused by the database" in found.evidence["kinds"].values()


def test_neither_ledger_nor_sentence_has_what_was_written(before):
    found = judge(criteria(), world(before, a=NEW))
    assert "refused" not in found.sentence + json.dumps([found.record(), before])
    assert "hunter2" not in json.dumps(found.report())


def test_without_errors_before_every_error_is_new():
    before = baseline_of(capture(criteria(), world(a="INFO up")))
    assert judge(criteria(), world(before, a="INFO up")).verdict == "pass"
    assert judge(criteria(), world(before, a=SAME)).verdict == "fail"


@pytest.mark.parametrize(("said", "told"), [({}, "no pod matches"), ({"a": "\n"}, "no pod wrote a line in the range")])
def test_silence_is_no_pass(before, said, told):
    found = judge(criteria(), world(before, **said))
    assert found.verdict == "insufficient"
    assert told in found.sentence


def test_a_log_that_was_cut_is_no_pass(before, monkeypatch):
    monkeypatch.setattr(logs, "_LINES", 2)
    found = judge(criteria(), world(before, a=f"{SAME}\n{SAME}"))
    assert found.verdict == "insufficient"
    assert "wrote more than can be read" in found.sentence


def test_without_a_baseline_nothing_passes():
    assert judge(criteria(), world(a=SAME)).verdict == "insufficient"


def test_of_json_what_it_says_is_the_kind():
    lines = [json.dumps({"level": "error", "msg": f"order {n} was lost", "id": f"{n:036x}"}) for n in (1, 2)]
    assert {logs.kind_of(line) for line in lines} == {"error order # was lost"}


@pytest.mark.parametrize(
    ("select", "expect", "verdict"),
    [("count", "== 2", "pass"), ("count", "< 2", "fail"), ("rate", "<= 1 /min", "pass")],
)
def test_lines_that_match_are_counted(select, expect, verdict):
    assert judge(criteria(select, expect), world(a=BEFORE)).verdict == verdict


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"range": 0}, ".range: is not above 0"),
        ({"matching": "("}, ".matching: is not a regular expression"),
        ({"select": "lines"}, "'lines' is none of count, rate, kinds"),
        ({"select": "count"}, "in baseline is about kinds"),
    ],
)
def test_a_mistake_names_its_field(given, told):
    with pytest.raises(ReleaseError) as caught:
        criteria(**given)
    assert told in str(caught.value)
