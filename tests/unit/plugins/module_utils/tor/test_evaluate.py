# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import ClassVar

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger.canonical import canonical
from ansible_collections.runbook.release.plugins.module_utils.ledger.canonical import parse as parse_text
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import ENTRY_LIMIT
from ansible_collections.runbook.release.plugins.module_utils.tor import evaluate as evaluating
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import Criterion
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.expect import NothingMeasured
from ansible_collections.runbook.release.plugins.module_utils.tor.grammar import parse
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.counts import Counts
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import Readings, Source, World


@dataclass(frozen=True)
class Scripted(Source):
    """Answers with what the test says."""

    answer: object
    samples: int = 1
    silent: int = 0
    repeatable: bool = True

    selects: ClassVar[dict[str, str]] = {"latency": "ms", "errors": "share"}
    text = "a test"

    def read(self, ask, world):
        answer = self.answer(ask) if callable(self.answer) else self.answer
        return Readings(
            answer if isinstance(answer, list) else [answer], self.samples, {"raw": "x"}, silent=self.silent
        )


def criterion(answer, expect="< 500 ms", select="latency", **more):
    return Criterion("it", Scripted(answer, more.pop("given", 1), more.pop("silent", 0)), select, parse(expect), **more)


def verdict_on(*args, **more):
    (verdict,) = evaluate([criterion(*args, **more)], World()).verdicts
    return verdict


def failing(error):
    def read(ask):
        raise error

    return read


def hang(ask):
    threading.Event().wait(20)


@pytest.mark.parametrize(
    ("answer", "more", "verdict"),
    [
        (320, {}, "pass"),
        (500, {}, "fail"),
        ([], {}, "insufficient"),
        (None, {}, "insufficient"),
        (float("nan"), {}, "insufficient"),
        (float("nan"), {"expect": '!= "stopped"'}, "insufficient"),
        (failing(NothingMeasured("nothing there")), {}, "insufficient"),
        (320, {"samples": 20, "given": 19}, "insufficient"),
        ([1, 2], {}, "error"),
        ("slow", {}, "error"),
        (failing(ReleaseError("refused")), {}, "error"),
        (failing(ConnectionResetError("reset")), {}, "error"),
        (failing(KeyError("a bug in a source")), {}, "error"),
        (hang, {"timeout": 0.05}, "insufficient"),
    ],
)
def test_only_what_was_measured_and_is_good_passes(answer, more, verdict):
    gate = evaluate([criterion(answer, **more)], World())
    assert gate.verdicts[0].verdict == verdict
    assert gate.passed is (verdict == "pass")
    assert evaluate([criterion(answer, severity="advisory", **more)], World()).passed


def test_a_verdict_says_what_it_saw():
    report = verdict_on(620, clause="TOR 4.2", remedy="add a cache").report()
    assert report["sentence"] == "it (TOR 4.2): latency is 620 ms, expected < 500 ms (add a cache)"
    assert (report["observed"], report["unit"], report["margin"], report["threshold"]) == (620, "ms", -120, "< 500 ms")
    assert report["evidence"] == {"raw": "x"}
    assert 0 <= time.time() - datetime.fromisoformat(report["at"]).timestamp() < 60
    assert report["seconds"] < 60
    assert "add a cache" not in verdict_on(320, remedy="add a cache").sentence


def test_a_source_that_hangs_holds_up_nobody():
    began = time.monotonic()
    gate = evaluate([criterion(hang), *[criterion(1) for dummy in range(20)]], World(), deadline=3)
    assert time.monotonic() - began < 15
    assert [verdict.verdict for verdict in gate.verdicts] == ["insufficient", *["pass"] * 20]
    assert not gate.passed


def test_no_timeout_is_cut_unless_a_deadline_is_given():
    asked = []

    def note(ask):
        asked.append(ask.left)
        return 1

    evaluate([criterion(note, timeout=300), criterion(1)], World())
    evaluate([criterion(note, timeout=300), criterion(1)], World(), deadline=70)
    assert asked == [pytest.approx(300, abs=20), pytest.approx(70, abs=20)]


def test_fifty_are_asked_at_once():
    together = threading.Barrier(50, timeout=20)
    gate = evaluate([criterion(lambda ask: together.wait(), timeout=30) for dummy in range(50)], World())
    assert gate.passed


def test_a_thousand_are_possible():
    gate = evaluate([criterion(number) for number in range(1000)], World())
    assert sum(verdict.verdict == "pass" for verdict in gate.verdicts) == 500


class Crowd:
    """Counts who is at work, until it lets all of them go."""

    def __init__(self, enough=10**6):
        self.at_work, self.most, self.asked, self.enough = 0, 0, 0, enough
        self.lock, self.go = threading.Lock(), threading.Event()

    def __call__(self, ask):
        with self.lock:
            self.at_work += 1
            self.asked += 1
            self.most = max(self.most, self.at_work)
            if self.at_work == self.enough:
                threading.Timer(0.2, self.go.set).start()
        self.go.wait(30)
        with self.lock:
            self.at_work -= 1
        return 1


@pytest.fixture
def narrow(monkeypatch):
    """Few may be at work, so that few make a crowd."""
    monkeypatch.setattr(evaluating, "_AT_ONCE", 10)
    monkeypatch.setattr(evaluating, "_AT_MOST", 40)


@pytest.mark.usefixtures("narrow")
def test_of_very_many_only_some_are_at_work_at_once():
    crowd = Crowd(enough=40)
    assert evaluate([criterion(crowd, timeout=30)] * 60, World()).passed
    assert crowd.most == 40


@pytest.mark.usefixtures("narrow")
def test_many_that_hang_delay_nobody_for_long():
    crowd, asked = Crowd(), []
    began = time.monotonic()

    def quick(ask):
        asked.append(time.monotonic())
        if len(asked) == 20:
            crowd.go.set()
        return 1

    evaluate([*[criterion(crowd, timeout=20)] * 30, *[criterion(quick) for dummy in range(20)]], World())
    assert len(asked) == 20
    assert max(asked) - began < 15


@pytest.mark.usefixtures("narrow")
def test_when_the_time_is_up_nobody_else_is_asked():
    crowd = Crowd()
    began = time.monotonic()
    gate = evaluate([criterion(crowd, timeout=20)] * 100, World(), deadline=0.1)
    crowd.go.set()
    assert time.monotonic() - began < 10
    assert crowd.asked < 50
    assert {verdict.verdict for verdict in gate.verdicts} == {"insufficient"}


def test_a_hold_ends_at_the_first_blocking_failure():
    answers = iter([1, 2, 900])
    began = time.monotonic()
    gate = evaluate([criterion(lambda ask: next(answers)), criterion(1)], World(), hold=30)
    assert not gate.passed
    assert time.monotonic() - began < 10
    assert "900 ms" in gate.blockers[0].sentence


def test_a_failure_ends_a_hold_though_another_source_hangs():
    began = time.monotonic()
    gate = evaluate([criterion(hang), criterion(900)], World(), hold=30)
    assert time.monotonic() - began < 5
    assert [verdict.verdict for verdict in gate.verdicts] == ["fail"]


def test_a_hold_lasts_and_forgives_what_was_not_known_at_first():
    answers = iter([[]])
    began = time.monotonic()
    gate = evaluate([criterion(lambda ask: next(answers, 1))], World(), hold=0.5)
    assert gate.passed
    assert time.monotonic() - began >= 0.5


def test_an_advisory_failure_does_not_end_a_hold():
    began = time.monotonic()
    gate = evaluate([criterion(900, severity="advisory")], World(), hold=0.3)
    assert gate.passed
    assert time.monotonic() - began >= 0.3


@dataclass(frozen=True)
class Share(Scripted):
    """Errors among answers, as `(failed, all)`; looking again may add to them."""

    def read(self, ask, world):
        failed, heard = self.answer(ask)
        return Readings([Fraction(failed, heard)], heard, heard=Counts(failed, heard))


class TestAShareThatIsTooLarge:
    @staticmethod
    def errors(*counts, expect="< 1 %", **more):
        """One count after the other, the last one for good."""
        left = list(counts)
        source = Share(lambda ask: left.pop(0) if len(left) > 1 else left[0])
        return Criterion("errors", source, "errors", parse(expect), **more)

    def test_by_chance_does_not_end_a_hold(self):
        gate = evaluate([self.errors((1, 20), (1, 40), (1, 200))], World(), hold=2.5)
        assert gate.passed

    def test_beyond_chance_ends_it_at_once(self):
        began = time.monotonic()
        gate = evaluate([self.errors((1, 20), (9, 40))], World(), hold=60)
        assert time.monotonic() - began < 15
        assert [verdict.verdict for verdict in gate.blockers] == ["fail"]

    def test_at_the_end_is_looked_at_until_the_timeout_and_then_fails(self):
        assert evaluate([self.errors((1, 20), (1, 90), (1, 110))], World()).passed
        began = time.monotonic()
        gate = evaluate([self.errors((1, 20), timeout=1)], World())
        assert [verdict.verdict for verdict in gate.blockers] == ["fail"]
        assert 0.5 <= time.monotonic() - began < 15

    @pytest.mark.parametrize("expect", ["== 0 %", "<= 0 %"])
    def test_where_none_is_allowed_nothing_is_by_chance(self, expect):
        began = time.monotonic()
        assert not evaluate([self.errors((1, 20), expect=expect)], World(), hold=60).passed
        assert time.monotonic() - began < 15


def test_only_the_last_round_of_a_hold_waits_for_what_others_send():
    patient = []
    evaluate([criterion(lambda ask: patient.append(ask.patient) or 1)], World(), hold=1.2)
    assert patient == [False] * (len(patient) - 1) + [True]
    assert len(patient) > 1


class TestWhatMayBeDoneOnce:
    """A POST, say, that orders something."""

    @staticmethod
    def order(answer, **more):
        once = Scripted(answer, repeatable=False)
        return Criterion("order", once, "latency", parse("< 500 ms"), **more)

    def test_a_hold_does_it_once(self):
        orders, looks = [], []
        criteria = [criterion(lambda ask: looks.append(1) or 1), self.order(lambda ask: orders.append(1) or 320)]
        gate = evaluate(criteria, World(), hold=1.5)
        assert [verdict.verdict for verdict in gate.verdicts] == ["pass", "pass"]
        assert (len(orders), len(looks) > 1) == (1, True)

    def test_a_hold_that_it_will_not_pass_ends(self):
        began = time.monotonic()
        gate = evaluate([criterion(1), self.order(failing(ReleaseError("reset")))], World(), hold=30)
        assert time.monotonic() - began < 10
        assert [verdict.verdict for verdict in gate.blockers] == ["error"]


def test_a_gate_without_criteria_measures_nothing_and_is_refused():
    with pytest.raises(ReleaseError, match="nothing was measured"):
        evaluate([], World())


@pytest.mark.parametrize("times", [{"hold": math.nan}, {"hold": math.inf}, {"deadline": math.nan}, {"deadline": 0}])
def test_a_time_without_end_or_beginning_is_refused(times):
    with pytest.raises(ReleaseError, match="has no end"):
        evaluate([criterion(1)], World(), **times)


@pytest.mark.parametrize(("how", "verdict"), [("", "insufficient"), ("max", "insufficient"), ("count", "pass")])
def test_a_sample_without_a_value_may_be_left_out_by_a_count_only(how, verdict):
    expect = "<= 2" if how == "count" else "< 500 ms"
    found = verdict_on([1, 1], expect, given=3, silent=1, aggregate=how)
    assert found.verdict == verdict, found.sentence


def test_what_a_ledger_keeps_of_a_gate_is_small_and_exact():
    answers = [320, 1.5, float("inf"), 2**60, "x" * 5000, {"token": "y" * 5000}, True, None]
    gate = evaluate([criterion(answer, "!= 7", "anything") for answer in answers], World())
    kept = gate.record()
    assert parse_text(canonical(kept).decode()) == kept
    assert len(canonical(kept)) < 3000
    assert [one["observed"] for one in kept["criteria"]][:2] == [320, 1.5]
    assert kept["criteria"][0] == {"name": "it", "verdict": "pass", "observed": 320, "threshold": "!= 7"}


@pytest.mark.parametrize(("severity", "verdict"), [("blocking", "fail"), ("advisory", "pass")])
def test_of_very_many_criteria_those_that_did_not_pass_are_kept(severity, verdict):
    passing, failing = criterion(1, "< 5", "x"), criterion(9, "< 5", "x", severity=severity)
    kept = evaluate([*[passing] * 300, failing], World()).record()
    assert kept["verdict"] == verdict
    assert kept["criteria"][0]["verdict"] == "fail"
    assert len(canonical(kept)) < ENTRY_LIMIT - 2000


def test_a_hold_ends_when_it_may_not_go_on():
    def check():
        raise ReleaseError("the lock is lost")

    began = time.monotonic()
    with pytest.raises(ReleaseError, match="the lock is lost"):
        evaluate([criterion(320)], World(), hold=60, check=check)
    assert time.monotonic() - began < 10
