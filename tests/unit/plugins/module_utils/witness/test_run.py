# SPDX-License-Identifier: GPL-3.0-or-later
"""A real k6 against a real server: what it must see, and what must turn it red."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.witness.log import read, read_description

DEADLINE = 30.0


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def answers(witness: Any, more: int) -> None:
    """Wait for so many more recorded requests."""
    before = read(witness.path).sent
    wait_for(lambda: read(witness.path).sent >= before + more)


def test_a_healthy_target_passes_and_every_request_is_accounted_for(witness, target, spec):
    witness.start(spec())
    answers(witness, 50)
    witness.stop()
    report = witness.report()
    assert (report["verdict"], report["failed_requests"], report["dropped"], report["lost"]) == ("pass", 0, 0, 0)
    assert report["by_version"].keys() == {"1.0"}
    assert report["by_shape"].keys() == {"new", "keepalive"}
    assert report["requests"] >= 50
    assert json.loads((witness.path / "summary.json").read_text()) == report


def test_new_connects_for_each_request_and_keepalive_does_not(witness, target, spec):
    witness.start(spec(shapes=["keepalive"]))
    wait_for(lambda: read(witness.path).sent > 2 * len(target.asked_by))
    witness.stop()
    target.asked_by.clear()
    witness.start(spec(shapes=["new"]))
    answers(witness, 20)
    witness.stop()
    assert len(target.asked_by) >= read(witness.path).sent


def test_the_host_name_stays_when_the_address_is_given(witness, target, spec):
    witness.start(spec(identity={"header": "host-seen"}, versions=[f"shop.test:{target.port}"]))
    witness.stop()
    assert witness.report()["verdict"] == "pass"


@pytest.mark.parametrize(
    ("manner", "outcome", "lost"),
    [
        ("failing", "500", False),
        ("unavailable", "503", True),
        ("resetting", "reset", True),
        ("closing", "cut", True),
        ("cut", "cut", True),
        ("hanging", "timeout", True),
        ("malformed", "identity", True),
        ("nameless", "identity", True),
    ],
)
def test_every_kind_of_failure_turns_it_red(witness, target, spec, manner, outcome, lost):
    witness.start(spec(shapes=["new"]))
    target.manner = manner
    wait_for(lambda: read(witness.path).failed)
    target.manner = "well"
    witness.stop()
    report = witness.report()
    assert report["verdict"] == "fail"
    assert report["first_failures"][0]["outcome"] == outcome
    assert bool(report["lost"]) is lost
    assert report["by_version"].get("1.0" if not lost else "", {})["failed"] == report["failed_requests"]


def test_a_redirect_is_an_answer(witness, target, spec):
    target.manner = "redirecting"
    witness.start(spec())
    witness.stop()
    assert witness.report()["verdict"] == "pass"


def test_a_target_that_dies_turns_it_red(witness, target, spec):
    witness.start(spec())
    target.die()
    wait_for(lambda: read(witness.path).failed)
    witness.stop()
    report = witness.report()
    assert report["verdict"] == "fail"
    assert {failure["outcome"] for failure in report["first_failures"]} <= {"refused", "cut", "reset", "timeout"}


def test_a_version_that_may_not_answer_turns_it_red(witness, target, spec):
    witness.start(spec())
    target.version = "0.9 beta/é"
    wait_for(lambda: read(witness.path).wrong)
    witness.stop()
    report = witness.report()
    assert report["verdict"] == "fail"
    assert report["failed_requests"] == 0
    assert report["wrong_version"] == report["by_version"]["0.9 beta/é"]["ok"]
    assert "may not answer" in report["reason"]


def test_an_outage_that_begins_just_before_the_stop_is_seen(witness, target, spec):
    witness.start(spec())
    target.manner = "hanging"
    assert target.hung.wait(DEADLINE)
    witness.stop()
    assert {failure["outcome"] for failure in witness.report()["first_failures"]} == {"timeout"}


def test_a_stall_of_the_whole_timeout_drops_nothing(witness, target, spec):
    witness.start(spec(rate=100))
    target.manner = "hanging"
    wait_for(lambda: read(witness.path).failed > 50)
    witness.stop()
    assert witness.report()["dropped"] == 0


def test_a_stream_that_is_cut_turns_it_red_and_one_that_ends_does_not(witness, target, spec):
    witness.start(spec(stream_url={"url": f"http://shop.test:{target.port}/stream", "address": "127.0.0.1"}))
    wait_for(lambda: "stream" in read(witness.path).by_shape)
    assert witness.report()["verdict"] == "pass"
    target.streaming = "cut"
    wait_for(lambda: read(witness.path).failed)
    witness.stop()
    assert witness.report()["first_failures"][0]["shape"] == "stream"
    assert witness.report()["verdict"] == "fail"


def test_the_stream_that_is_open_at_the_stop_does_not_count(witness, target, spec):
    target.streaming = "dripping"
    witness.start(spec(stream_url={"url": f"http://shop.test:{target.port}/stream", "address": "127.0.0.1"}))
    assert target.dripped.wait(DEADLINE)
    witness.stop()
    assert witness.report()["verdict"] == "pass"


def test_what_was_before_since_does_not_count(witness, target, spec):
    witness.start(spec(shapes=["new"]))
    target.manner = "failing"
    wait_for(lambda: read(witness.path).failed)
    target.manner = "well"
    since = time.time() + 0.2
    wait_for(lambda: read(witness.path, since).sent > 10)
    assert witness.report(since)["verdict"] == "pass"
    assert witness.report()["verdict"] == "fail"


@pytest.mark.parametrize("manner", ["failing", "closing", "malformed"])
def test_it_does_not_start_on_a_target_that_fails_already(witness, target, spec, manner):
    target.manner = manner
    with pytest.raises(NotReady, match=re.escape(f"shop.test:{target.port}")):
        witness.start(spec())
    assert not witness.running()


def test_it_does_not_start_when_nobody_listens(witness, target, spec):
    target.die()
    with pytest.raises(NotReady, match="connection refused"):
        witness.start(spec())
    assert not witness.running()


def test_it_does_not_start_while_another_version_is_live(witness, target, spec):
    with pytest.raises(NotReady, match=r"version 1\.0"):
        witness.start(spec(versions=["2.0"]))
    assert not witness.running()


def test_starting_again_is_nothing_new_but_other_settings_are_refused(witness, target, spec):
    assert witness.needs_start(spec())
    witness.start(spec())
    assert not witness.needs_start(spec())
    with pytest.raises(Refused, match="other settings"):
        witness.needs_start(spec(versions=["1.0", "2.0"]))


def test_a_second_witness_keeps_the_record_of_the_first(witness, target, spec):
    witness.start(spec())
    witness.stop()
    first = read_description(witness.path)["started"]
    recorded = (witness.path / "requests.log").read_bytes()
    witness.start(spec())
    assert (witness.path / f"{first:.3f}.requests.log").read_bytes() == recorded


def test_a_witness_that_was_killed_proves_nothing(witness, target, spec):
    witness.start(spec())
    os.kill(read_description(witness.path)["process"]["pid"], signal.SIGKILL)
    wait_for(lambda: not witness.running())
    report = witness.report()
    assert (report["verdict"], report["running"]) == ("insufficient", False)


def test_a_witness_whose_time_is_over_proves_nothing(witness, target, spec):
    witness.start(spec(duration=1))
    wait_for(lambda: not witness.running())
    assert witness.report()["verdict"] == "insufficient"


def test_no_witness_proves_nothing(witness):
    assert witness.report()["verdict"] == "insufficient"
    assert not witness.running()
    with pytest.raises(ReleaseError, match="There is no witness"):
        witness.must_exist()


def test_only_its_owner_can_read_what_it_writes(witness, target, spec):
    witness.start(spec())
    witness.stop()
    assert stat.S_IMODE(witness.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in witness.path.iterdir()} == {0o600}


def test_the_environment_neither_reconfigures_nor_redirects_it(witness, target, spec, monkeypatch):
    monkeypatch.setenv("K6_ITERATIONS", "1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    witness.start(spec())
    answers(witness, 10)


def test_a_missing_k6_is_said_before_anything_is_written(witness, target, spec):
    with pytest.raises(ReleaseError, match="k6 is not installed"):
        witness.start(spec(), "k6-is-not-here")
    assert not witness.path.exists()


def test_a_program_that_is_not_k6_is_reported_with_its_words(witness, target, spec):
    with pytest.raises(ReleaseError, match="does not record any request"):
        witness.start(spec(), "/bin/true")


def test_a_missing_certificate_is_said_before_anything_is_written(witness, target, spec):
    with pytest.raises(ReleaseError, match=r"/nowhere/ca\.crt"):
        witness.start(spec(urls=[{"url": "https://shop.test/", "ca_cert": "/nowhere/ca.crt"}]))
    assert not witness.path.exists()
