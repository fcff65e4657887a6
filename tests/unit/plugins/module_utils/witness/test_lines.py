# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import random

import pytest
from ansible_collections.runbook.release.plugins.module_utils.witness.lines import complete_before, read_parts
from hypothesis import given
from hypothesis import strategies as st

T0 = 1_800_000_000_000


def write(folder, lines):
    (folder / "requests.log").write_text("".join(f"{line}\n" for line in lines))
    return folder


def found_since(folder, moment, read_from):
    """The sequence numbers of what began at the moment or later, reading from there."""
    return [number for part in read_parts(folder, read_from) for number in part.window(moment, math.inf).sequences]


@pytest.mark.parametrize(("moment", "complete"), [(30, True), (70, False), (100, False)])
def test_complete_before_a_moment_needs_all_that_was_sent_before_it(tmp_path, moment, complete):
    lines = [f"{T0 + 10 * n} {T0 + 10 * n + 5} new {n} 200 1.0" for n in range(10)]
    late = lines.pop(4)
    assert complete_before(list(read_parts(write(tmp_path, lines))), T0 + moment, "new") is complete
    assert complete_before(list(read_parts(write(tmp_path, [*lines, late]))), T0 + moment, "new") is (moment < 100)


def test_another_shape_says_nothing_about_this_one(tmp_path):
    parts = list(read_parts(write(tmp_path, [f"{T0} {T0 + 1} new 0 200 1.0"])))
    assert not complete_before(parts, T0, "keepalive")


@given(
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 2500)), min_size=1, max_size=60),
    st.integers(-2000, 65_000),
)
def test_reading_from_a_moment_finds_what_reading_everything_finds(tmp_path_factory, requests, since):
    requests.sort(key=sum)
    lines = [f"{T0 + start} {T0 + start + took} new {n} 200 1.0" for n, (start, took) in enumerate(requests)]
    folder = write(tmp_path_factory.mktemp("w"), lines)
    assert found_since(folder, T0 + since, T0 + since) == found_since(folder, T0 + since, 0)


def test_reading_from_a_moment_forgives_lines_a_little_out_of_order(tmp_path):
    ends = sorted((T0 + 100 * n for n in range(200)), key=lambda end: end + random.Random(end).randint(-300, 300))
    folder = write(tmp_path, [f"{end - 5} {end} new {n} 200 1.0" for n, end in enumerate(ends)])
    assert found_since(folder, T0 + 9000, T0 + 9000) == found_since(folder, T0 + 9000, 0)
