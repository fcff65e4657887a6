# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.witness import lines as lines_module
from ansible_collections.runbook.release.plugins.module_utils.witness.log import Answers, answered_ok, read

T0 = 1_800_000_000_000


@pytest.fixture
def folder(tmp_path):
    def make(*lines, versions=("1.0",), stopped=None, tail=""):
        description = {"spec": {"versions": list(versions)}, "started": T0 / 1000, "stopped": stopped}
        (tmp_path / "witness.json").write_text(json.dumps(description))
        (tmp_path / "requests.log").write_text("".join(f"{line}\n" for line in lines) + tail)
        return tmp_path

    return make


def test_counts_per_version_and_shape(folder):
    tally = read(
        folder(
            f"{T0} {T0 + 4} new 0 200 1.0",
            f"{T0} {T0 + 8} keepalive 0 200 1.0",
            f"{T0 + 10} {T0 + 2010} new 1 timeout -",
            f"{T0 + 20} {T0 + 26} new 2 500 1.0",
            f"{T0 + 30} {T0 + 36} new 3 200 0.9",
        )
    )
    assert (tally.sent, tally.failed, tally.lost, tally.wrong) == (5, 2, 1, 1)
    assert tally.by_version["1.0"] == Answers(ok=2, failed=1, p50_ms=6, p95_ms=8, p99_ms=8, max_ms=8)
    assert tally.by_version["1.0"].error_share == 1 / 3
    assert tally.by_shape["keepalive"] == Answers(1, 0, 8, 8, 8, 8)
    assert [failure.outcome for failure in tally.first_failures] == ["timeout", "500", "200"]
    assert tally.first_failure.version == ""
    assert (tally.first_start_ms, tally.last_end_ms) == (T0, T0 + 2010)


def test_a_stream_is_not_a_slow_request(folder):
    tally = read(folder(f"{T0} {T0 + 4} new 0 200 1.0", f"{T0} {T0 + 9000} stream 0 200 -"))
    assert tally.total == Answers(2, 0, 4, 4, 4, 4)
    assert tally.by_shape["stream"].p95_ms == 9000
    assert tally.by_version[""] == Answers(1, 0, None, None, None, None)


def test_the_window_goes_by_when_a_request_was_sent(folder):
    where = folder(
        f"{T0} {T0 + 1500} new 0 500 1.0",
        f"{T0 + 1000} {T0 + 1600} new 1 200 1.0",
        f"{T0 + 2000} {T0 + 2001} new 2 500 1.0",
        stopped=(T0 + 2000) / 1000,
    )
    assert read(where, since=(T0 + 1000) / 1000).failed == 0
    assert read(where).sent == 2
    assert read(where, until=(T0 + 1000) / 1000).sent == 1


def test_the_stream_that_the_stop_cuts_is_not_judged(folder):
    lines = (f"{T0} {T0 + 2100} stream 0 cut -", f"{T0} {T0 + 2100} new 0 timeout -")
    tally = read(folder(*lines, stopped=(T0 + 2000) / 1000))
    assert tally.by_shape.keys() == {"new"}
    assert read(folder(*lines, stopped=(T0 + 2200) / 1000)).failed == 2


def test_a_line_being_written_is_not_there_yet(folder):
    assert read(folder(f"{T0} {T0 + 1} new 0 200 1.0", tail=f"{T0} {T0 + 1} new 1 50")).sent == 1


def test_a_log_read_in_many_parts_is_the_same(folder, monkeypatch):
    where = folder(*(f"{T0 + n} {T0 + n + 5} new {n} {'500' if n % 7 else '200'} 1.0" for n in range(100)), tail="1 2")
    whole = read(where)
    monkeypatch.setattr(lines_module, "_PART", 64)
    assert read(where) == whole
    assert (whole.sent, len(whole.first_failures)) == (100, 5)


def test_nothing_recorded_is_nothing(folder):
    where = folder()
    (where / "requests.log").unlink()
    assert read(where).sent == 0
    assert read(where).total.p95_ms is None
    assert read(where).total.error_share is None


@pytest.mark.parametrize(
    "line", ["x 1800000000009 new 0 200 1.0", "1 1800000000009 new 0 200", "1 1800000000009 new 0 200 1 2", "a b c", ""]
)
@pytest.mark.parametrize("since", [0, T0 / 1000 - 5])
def test_a_damaged_log_is_an_error_not_a_pass(folder, line, since):
    with pytest.raises(ReleaseError, match="damaged"):
        read(folder(f"{T0} {T0 + 1} new 0 200 1.0", line), since)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"spec": {"versions": "1.0"}}'])
def test_a_damaged_description_is_an_error(folder, text):
    where = folder()
    (where / "witness.json").write_text(text)
    with pytest.raises(ReleaseError, match="damaged"):
        read(where)


def test_no_witness_is_an_error(tmp_path):
    with pytest.raises(ReleaseError, match="There is no witness"):
        read(tmp_path)


def test_a_version_may_hold_anything(folder):
    tally = read(folder(f"{T0} {T0 + 1} new 0 200 1.0%20%C3%A9", versions=["1.0 é"]))
    assert (tally.wrong, list(tally.by_version)) == (0, ["1.0 é"])


@pytest.mark.parametrize(
    ("outcome", "ok"),
    [
        ("200", True),
        ("204", True),
        ("302", True),
        ("404", False),
        ("500", False),
        ("timeout", False),
        ("k6_2000", False),
    ],
)
def test_what_counts_as_an_answer(outcome, ok):
    assert answered_ok(outcome) is ok
