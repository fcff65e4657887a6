# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of many containers as they come; on a real cluster in tests/cluster_cases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ApiError, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.follow import Followed, Wanted, follow


class Response:
    """Chunks as they come; then it ends, or stays open until ``held`` is set."""

    def __init__(self, chunks: list[bytes], held: threading.Event | None) -> None:
        self.chunks, self.held = chunks, held

    def stream(self, size: int) -> Iterator[bytes]:
        yield from self.chunks
        if self.held:
            self.held.wait(30)

    def close(self) -> None:
        pass


class Logs:
    """What each pod says; an error where it cannot be read."""

    def __init__(self, said: dict[str, list[bytes] | ApiError], held: threading.Event | None = None) -> None:
        self.said, self.held, self.transport = said, held, self
        self.asked: list[Any] = []

    def stream(self, request: Any) -> Response:
        self.asked.append(request)
        said = self.said[request.asked.name]
        if isinstance(said, ApiError):
            raise said
        return Response(said, self.held)


def pod(name: str, state: str = "running") -> dict[str, Any]:
    status = {"containerStatuses": [{"name": "api", "state": {state: {}}}]}
    return {"metadata": {"name": name, "namespace": "shop"}, "status": status}


def run(logs: Logs, *pods: dict[str, Any], written: list[str] | None = None, **wanted: Any) -> Followed:
    asked = Wanted(**{"seconds": 30, "lines": 100, **wanted})
    keep = [] if written is None else written
    return follow(logs, pods, asked, keep.append)  # type: ignore[arg-type]


def test_all_pods_are_followed_and_every_line_says_whose_it_is() -> None:
    written: list[str] = []
    logs = Logs({"a": [b"one\ntw", b"o\n"], "b": [b"three\n"]})
    seen = run(logs, pod("a"), pod("b"), written=written)
    assert sorted(seen.lines) == ["a api: one", "a api: two", "b api: three"]
    assert (seen.why, written) == ("ended", seen.lines)
    assert {one.query["tailLines"] for one in logs.asked} == {100}


def test_it_ends_with_what_is_waited_for_although_others_go_on() -> None:
    held = threading.Event()
    seen = run(Logs({"a": [b"x\ndone\nlater\n"], "b": []}, held), pod("a"), pod("b"), until="^done$")
    held.set()
    assert (seen.why, seen.lines) == ("until", ["a api: x", "a api: done"])


def test_it_ends_when_its_time_is_over() -> None:
    held = threading.Event()
    seen = run(Logs({"a": []}, held), pod("a"), seconds=0.05)
    held.set()
    assert (seen.why, seen.unreadable) == ("time", [])


def test_only_lines_that_match_are_kept_and_the_end_is_looked_for_in_all() -> None:
    seen = run(Logs({"a": [b"ERROR x\nfine\nbye\nERROR y\n"]}), pod("a"), matching="ERROR", until="bye")
    assert (seen.why, seen.lines) == ("until", ["a api: ERROR x"])


def test_what_cannot_be_read_is_named_and_hides_nothing_else() -> None:
    seen = run(Logs({"a": ApiError("forbidden"), "b": [b"one\n"]}), pod("a"), pod("b"))
    assert seen.lines == ["b api: one"]
    assert [text.partition(":")[0] for text in seen.unreadable] == ["log of a"]


def test_a_container_that_does_not_run_is_not_followed() -> None:
    assert run(Logs({}), pod("a", "waiting")).why == "ended"


@pytest.mark.parametrize("option", ["matching", "until"])
def test_what_is_no_regular_expression_is_refused(option: str) -> None:
    with pytest.raises(Refused, match="no regular expression"):
        run(Logs({}), **{option: "("})
