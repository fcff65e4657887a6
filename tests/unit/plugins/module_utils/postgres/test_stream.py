# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs as children: their bytes, their end, and what happens when neither comes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.postgres import stream
from ansible_collections.runbook.release.plugins.module_utils.postgres.stream import Call, Stalled, Watchdog, run

from ..living import alive, is_gone, left_by_a_killed, telling


def watch(stall: float = 30.0, pulse: Callable[[], object] = lambda: None) -> Watchdog:
    return Watchdog(stall, pulse, "the dump of shop", "db:5432")


def shell(script: str, **flows: object) -> Call:
    return Call(["sh", "-c", script], {"PATH": os.environ["PATH"]}, **flows)  # type: ignore[arg-type]


def test_all_bytes_arrive_and_what_was_said_is_kept_apart() -> None:
    got = bytearray()
    ended = run(shell("head -c 3000000 /dev/zero; echo trouble >&2; exit 3", sink=got.extend), watch())
    assert (ended.code, ended.said, ended.bytes) == (3, "trouble\n", 3_000_000)
    assert bytes(got) == bytes(3_000_000)


def test_only_the_last_of_what_was_said_is_kept() -> None:
    ended = run(shell("head -c 500000 /dev/zero >&2; echo last >&2"), watch())
    assert len(ended.said) <= stream.SAID
    assert ended.said.endswith("last\n")


def test_bytes_go_in_as_fast_as_they_are_taken() -> None:
    got = bytearray()
    chunks: Iterator[bytes] = iter([b"a" * 700_000, b"", b"b" * 700_000])
    ended = run(shell("cat", source=chunks, sink=got.extend), watch())
    assert ended.code == 0
    assert bytes(got) == b"a" * 700_000 + b"b" * 700_000


def test_a_program_that_reads_no_more_tells_why_by_its_exit_code() -> None:
    endless = iter(lambda: b"x" * 65536, b"")
    ended = run(shell("head -c 10 >/dev/null; echo no >&2; exit 5", source=endless), watch())
    assert (ended.code, ended.said) == (5, "no\n")


def test_when_the_sink_fails_the_whole_process_group_ends(tmp_path: Path) -> None:
    def full(_data: bytes) -> None:
        raise OSError(28, "No space left on device")

    script = f"sleep 600 & echo $! > {tmp_path}/child; echo; wait"
    with pytest.raises(OSError, match="No space left"):
        run(shell(script, sink=full), watch())
    assert is_gone(int((tmp_path / "child").read_text()))


def test_a_program_that_will_not_end_is_ended_by_force(tmp_path: Path) -> None:
    with pytest.raises(Stalled):
        run(shell(f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 600; done"), watch(stall=0.3))
    assert not alive(int((tmp_path / "pid").read_text()))


def test_a_program_ends_when_who_started_it_is_killed(tmp_path: Path) -> None:
    call = shell(f"{telling(tmp_path / 'pid')}; exec sleep 600")
    assert is_gone(left_by_a_killed(lambda: run(call, watch(600)), tmp_path / "pid"))


def test_silence_is_a_stall_and_says_for_how_long_and_after_how_much() -> None:
    with pytest.raises(Stalled, match=r"the dump of shop stalled: not a byte for \d+ s after 5 bytes") as caught:
        run(shell("printf 12345; sleep 600"), watch(stall=3.0))
    assert caught.value.details == {"code": "stalled", "bytes": 5}


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(stream.time, "monotonic", lambda: self.now)

    def pass_with(self, dog: Watchdog, seconds: float) -> None:
        """A look every second."""
        for _second in range(int(seconds)):
            self.now += 1
            dog.check()


def test_silence_is_no_stall_as_long_as_the_server_works(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rows = Clock(monkeypatch), [0]

    def pulse() -> object:
        rows[0] += 1
        return rows[0]

    clock.pass_with(watch(10, pulse), 100)


def test_a_server_that_has_stopped_working_is_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, dog = Clock(monkeypatch), watch(10, lambda: "waits for its client")
    with pytest.raises(Stalled, match="the server does nothing for it either"):
        clock.pass_with(dog, 11)


def test_a_server_that_cannot_be_asked_is_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, dog = Clock(monkeypatch), watch(10, lambda: None)
    with pytest.raises(Stalled, match="the server cannot be asked why"):
        clock.pass_with(dog, 11)


def test_a_single_byte_in_time_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, dog = Clock(monkeypatch), watch(10)
    for _time in range(5):
        clock.pass_with(dog, 9)
        dog.feed(1)
    dog.reached(6)
    clock.pass_with(dog, 9)
    dog.reached(6)
    with pytest.raises(Stalled):
        clock.pass_with(dog, 1)


def test_the_end_of_a_program_is_said_in_words() -> None:
    assert stream.how_it_ended("pg_dump", 1) == "pg_dump ended with exit code 1"
    assert stream.how_it_ended("pg_dump", -9) == "pg_dump was killed by SIGKILL"


def test_the_environment_of_the_caller_says_who_one_is_and_not_where_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOSTADDR", "PGOPTIONS", "PGSERVICE", "PGPASSWORD", "PGSSLCERT", "LANGUAGE"):
        monkeypatch.setenv(name, "mine")
    found = stream.clean_environment({"PGHOST": "db", "PGUSER": ""})
    kept = {name: value for name, value in found.items() if name.startswith("PG") or name == "LANGUAGE"}
    assert kept == {"PGPASSWORD": "mine", "PGSSLCERT": "mine", "PGHOST": "db", "PGCLIENTENCODING": "UTF8"}
