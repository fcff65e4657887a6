# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a stream is told in the stream: whatever is in it, and however it was cut into pieces."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from unittest.mock import patch

from ansible_collections.runbook.release.plugins.module_utils.postgres import trailer
from ansible_collections.runbook.release.plugins.module_utils.postgres.trailer import (
    MARK,
    Count,
    Tail,
    Trailer,
    cut,
    truncated,
)
from hypothesis import given, settings
from hypothesis import strategies as st

BYTES = st.one_of(
    st.binary(max_size=2000),
    st.lists(st.sampled_from([MARK.encode(), b"\n", b" #end\n", b" rc=0", b" sha256=", b"x" * 100]), max_size=30).map(
        b"".join
    ),
)


def ending(data: bytes, rc: int = 0, tee: int = 0) -> bytes:
    """As the script writes it; the order of the words is chance."""
    digest = hashlib.sha256(data).hexdigest()
    return f"\n{MARK} tee={tee} rc={rc} sha256={digest} #end\n".encode()


def passed(pieces: list[bytes]) -> tuple[bytes, Trailer | None, Count]:
    got = bytearray()
    tail = Tail(got.extend)
    with patch.object(trailer, "PIECE", 2 * trailer.LONGEST):
        for piece in pieces:
            tail.take(piece)
    told = tail.end()
    return bytes(got), told, tail.count


@given(BYTES, st.lists(st.integers(0, 2400), max_size=8))
@settings(max_examples=200, deadline=None)
def test_the_data_comes_out_without_the_trailer_however_it_was_split(data: bytes, places: list[int]) -> None:
    stream = data + ending(data, rc=3)
    marks = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(marks)]
    got, told, counted = passed(pieces)
    assert got == data
    assert told is not None
    assert told.rc == 3
    assert counted.fits(told)


@given(BYTES, st.integers(1, 300))
@settings(max_examples=200, deadline=None)
def test_a_stream_that_lost_its_end_never_fits(data: bytes, lost: int) -> None:
    stream = data + ending(data)
    _got, told, counted = passed([stream[: max(0, len(stream) - lost)]])
    assert not counted.fits(told)


@given(st.binary(min_size=2, max_size=600), st.data())
@settings(max_examples=200, deadline=None)
def test_a_stream_that_lost_or_doubled_something_in_the_middle_never_fits(data: bytes, draw: st.DataObject) -> None:
    begin = draw.draw(st.integers(0, len(data) - 1))
    end = draw.draw(st.integers(begin + 1, len(data)))
    for damaged in (data[:begin] + data[end:], data[:end] + data[begin:]):
        _got, told, counted = passed([damaged + ending(data)])
        assert not counted.fits(told)


def test_a_trailer_that_is_not_the_last_thing_is_none() -> None:
    data = b"archive"
    assert cut(data + ending(data) + b"more")[0] is None
    assert cut(b"")[0] is None


def test_what_was_not_passed_on_whole_does_not_fit_whatever_its_hash() -> None:
    _got, told, counted = passed([b"archive" + ending(b"archive", tee=1)])
    assert not counted.fits(told)


def test_the_error_says_what_arrived_and_what_the_connection_claims() -> None:
    error = truncated("the dump of shop", "pod shop/pg-0 (postgres)", 7, None, "exit code 0")
    assert "the dump of shop failed: the stream ended after 7 bytes without its trailer" in str(error)
    assert "exit code 0" in str(error)
    told = Trailer(0, 0, "0" * 64)
    assert "the 7 bytes that arrived are other bytes than were sent" in str(
        truncated("the dump", "here", 7, told, "exit code 0")
    )
