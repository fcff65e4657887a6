# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at before a release, as production asks it, against answers of the shape that a forge gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World

from .plugins.module_utils.tor.faulty_server import FaultyServer, serving
from .test_inventories import host

Given = dict[str, Any]
EVENT = (
    "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:{title}\r\nSTATUS:{status}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
def forge() -> Iterator[FaultyServer]:
    with serving() as own:
        yield own


def verdict(forge: FaultyServer, monkeypatch: pytest.MonkeyPatch, system: str, name: str) -> str:
    """How the criterion of production is judged when the stand-in answers instead of its address."""
    for variable in ("GITHUB_TOKEN", "GITLAB_TOKEN", "CALENDAR_TOKEN", "REGISTRY_TOKEN"):
        monkeypatch.setenv(variable, "a-token")
    one = next(one for one in host("prod", system)["release_gates"]["preflight"] if one["name"] == name)
    url = re.sub(r"^https://[^/]+", forge.url, one["source"]["url"])
    (judged,) = evaluate(parse_criteria([{**one, "source": {**one["source"], "url": url}}]), World()).verdicts
    return judged.verdict


def found(count: int, complete: bool = True) -> Given:
    return {"total_count": count, "incomplete_results": not complete, "items": []}


SEARCHED = [
    ("novacron", "pull requests of the release", 0, "fail"),
    ("novacron", "pull requests of the release", 3, "pass"),
    *(
        (system, name, count, "fail" if count else "pass")
        for system, name in (
            ("novacron", "pull requests that are still open"),
            ("novacron", "pull requests that nobody approved"),
            ("novacron", "security reviews that are not finished"),
            ("teei", "pull requests that are still open"),
            ("teei", "pull requests merged elsewhere"),
            ("teei", "pull requests that nobody approved"),
        )
        for count in (0, 2)
    ),
]


@pytest.mark.parametrize(("system", "name", "count", "expected"), SEARCHED)
def test_pull_requests_are_judged(
    forge: FaultyServer, monkeypatch: pytest.MonkeyPatch, system: str, name: str, count: int, expected: str
) -> None:
    forge.answers["/search/issues"] = found(count)
    assert verdict(forge, monkeypatch, system, name) == expected
    (query,) = forge.asked[0][1]["q"]
    assert 'milestone:"v2.4.0"' in query
    assert forge.asked[0][3]["Authorization"] == "Bearer a-token"
    forge.answers["/search/issues"] = found(count, complete=False)
    assert verdict(forge, monkeypatch, system, name) == "fail"


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([("completed", "success")], "pass"),
        ([("completed", "success"), ("completed", "failure")], "fail"),
        ([("completed", "success"), ("in_progress", None)], "fail"),
        ([], "fail"),
    ],
)
def test_style_checks_of_the_very_version_are_judged(
    forge: FaultyServer, monkeypatch: pytest.MonkeyPatch, runs: list[tuple[str, str | None]], expected: str
) -> None:
    found_runs = [{"status": status, "conclusion": conclusion} for status, conclusion in runs]
    answer = {"total_count": len(runs), "check_runs": found_runs}
    forge.answers["/repos/novacron/novacron/commits/v2.4.0/check-runs"] = answer
    assert verdict(forge, monkeypatch, "novacron", "style checks") == expected


def threads(resolved: list[bool], more: bool = False) -> Given:
    of_one = {"pageInfo": {"hasNextPage": more}, "nodes": [{"isResolved": one} for one in resolved]}
    return {"data": {"search": {"pageInfo": {"hasNextPage": False}, "nodes": [{"reviewThreads": of_one}] * 2}}}


@pytest.mark.parametrize(
    ("answer", "unread", "still_open"),
    [
        (threads([True, True]), "pass", "pass"),
        (threads([]), "pass", "pass"),
        (threads([True, False]), "pass", "fail"),
        (threads([True], more=True), "fail", "pass"),
        ({"errors": [{"message": "no"}]}, "pass", "error"),
    ],
)
def test_review_comments_are_judged(
    forge: FaultyServer, monkeypatch: pytest.MonkeyPatch, answer: Given, unread: str, still_open: str
) -> None:
    forge.answers["/graphql"] = answer
    assert verdict(forge, monkeypatch, "novacron", "review comments that were not all read") == unread
    assert verdict(forge, monkeypatch, "novacron", "review comments that are open") == still_open
    body = forge.asked[0][2]
    asked = body if isinstance(body, dict) else json.loads(body)
    assert asked["variables"]["q"] == 'repo:novacron/novacron is:pr milestone:"v2.4.0"'


@pytest.mark.parametrize(("count", "expected"), [(0, "pass"), (1, "fail")])
def test_critical_bugs_are_judged(
    forge: FaultyServer, monkeypatch: pytest.MonkeyPatch, count: int, expected: str
) -> None:
    path = "/api/v4/projects/re-forecast%2Fpea-re-forecast/issues_statistics"
    forge.answers[path] = {"statistics": {"counts": {"all": 7, "closed": 7 - count, "opened": count}}}
    assert verdict(forge, monkeypatch, "pea", "critical bugs that are open") == expected
    assert forge.asked[0][1]["labels"] == ["bug,severity::critical"]


@pytest.mark.parametrize(
    ("title", "status", "expected"),
    [
        ("Release 2.4.0 of the API", "CONFIRMED", "pass"),
        ("Release v2.4.0", "CONFIRMED", "pass"),
        ("Release 2.4.0", "CANCELLED", "insufficient"),
        ("Release 2.4.0-rc.1", "CONFIRMED", "insufficient"),
        ("Release 2.4.0.1", "CONFIRMED", "insufficient"),
        ("Release 2.3.9", "CONFIRMED", "insufficient"),
    ],
)
@pytest.mark.parametrize(
    ("system", "name", "path"),
    [
        ("novacron", "release in the team calendar", "/team.ics"),
        ("teei", "release in the change calendar", "/changes.ics"),
    ],
)
def test_the_release_has_to_be_in_the_calendar(
    forge: FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    name: str,
    path: str,
    title: str,
    status: str,
    expected: str,
) -> None:
    forge.answers[path] = EVENT.format(title=title, status=status).encode()
    assert verdict(forge, monkeypatch, system, name) == expected


@pytest.mark.parametrize(("readable", "expected"), [(True, "pass"), (False, "fail")])
def test_an_image_of_the_version_can_be_read_by_who_releases(
    forge: FaultyServer, monkeypatch: pytest.MonkeyPatch, readable: bool, expected: str
) -> None:
    there = "/v2/henrigkroine/teei-api-gateway/manifests/2.4.0"
    if readable:
        forge.answers[there] = {"mediaType": "application/vnd.oci.image.index.v1+json"}
    assert verdict(forge, monkeypatch, "teei", "images can be read") == expected
    assert (forge.asked[0][0], forge.asked[0][3]["Authorization"]) == (there, "Bearer a-token")
