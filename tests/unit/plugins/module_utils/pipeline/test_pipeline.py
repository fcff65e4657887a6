# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines, against a stand-in of a forge: it speaks the few addresses of its API that are asked, over HTTP."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.pipeline.artifacts import Rule, old, tidy
from ansible_collections.runbook.release.plugins.module_utils.pipeline.forge import Forge
from ansible_collections.runbook.release.plugins.module_utils.pipeline.runs import Asked, dispatch, follow
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import serving

HERE = "/repos/o/r/"
DEPLOY = Asked("deploy.yml", "main", {"version": "2.4.0", "force": False}, 0.01)
TAG = Asked("", "v2.4.0", {}, 0.01)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Stand:
    """One run after the other; each is looked at so often before it ends."""

    def __init__(self, server, looks=2, conclusion="success"):
        self.server, self.looks, self.conclusion = server, looks, conclusion
        self.runs, self.posted, self.more = [], [], 1
        self.answers = server.answers
        self.answers[f"{HERE}actions/workflows/deploy.yml/runs"] = lambda *_: (200, {"workflow_runs": self.runs})
        self.answers[f"{HERE}actions/workflows/deploy.yml/dispatches"] = self.begin
        self.answers[f"{HERE}actions/runs"] = lambda *_: (200, {"workflow_runs": self.runs})
        self.answers[f"{HERE}commits/v2.4.0"] = {"sha": "abc"}

    def begin(self, _query, body):
        self.posted.append(body)
        for _time in range(self.more):
            self.add()
        return 204, b""

    def add(self, sha="abc"):
        number = len(self.runs) + 1
        self.runs.append({"id": number, "head_sha": sha, "html_url": f"https://forge/runs/{number}"})
        left = [self.looks]

        def look(*_):
            left[0] -= 1
            status = (
                {"status": "in_progress"} if left[0] > 0 else {"status": "completed", "conclusion": self.conclusion}
            )
            return 200, {**self.runs[number - 1], "name": "deploy", **status}

        self.answers[f"{HERE}actions/runs/{number}"] = look


@pytest.fixture
def server():
    with serving() as own:
        yield own


def forge(server, seconds=10.0):
    return Forge(server.url, "o/r", "a-token", time.monotonic() + seconds)


def test_what_was_started_is_told_from_what_ran_before_and_followed(server):
    stand = Stand(server)
    stand.add()
    (run,) = dispatch(forge(server), DEPLOY)
    assert run == {"id": 2, "name": "deploy", "url": "https://forge/runs/2", "conclusion": "success", "commit": "abc"}
    assert stand.posted == [{"ref": "main", "inputs": {"version": "2.4.0", "force": "false"}}]
    assert {headers["Authorization"] for *_rest, headers in server.asked} == {"Bearer a-token"}


def test_a_run_that_fails_is_an_error_with_its_address(server):
    Stand(server, conclusion="failure")
    with pytest.raises(ReleaseError, match=r"deploy ended with failure\. Where: https://forge/runs/1"):
        dispatch(forge(server), DEPLOY)


def test_a_run_that_does_not_end_is_not_waited_for_for_ever(server):
    Stand(server, looks=10**9)
    with pytest.raises(NotReady, match="https://forge/runs/1 did not end in time"):
        dispatch(forge(server, 0.5), DEPLOY)


def test_two_runs_at_once_are_not_guessed_about(server):
    Stand(server).more = 2
    with pytest.raises(ReleaseError, match=r"2 runs of deploy\.yml began at once"):
        dispatch(forge(server), DEPLOY)


def test_a_workflow_that_is_not_there_is_an_error_that_names_it(server):
    Stand(server)
    server.answers[f"{HERE}actions/workflows/deploy.yml/dispatches"] = (404, {"message": "Not Found"})
    with pytest.raises(ReleaseError, match=r"POST was answered with 404: Not Found\. Where: .*deploy.yml/dispatches"):
        dispatch(forge(server), DEPLOY)


def test_a_forge_that_is_away_for_a_moment_is_asked_again_for_a_run_and_never_to_start_one(server):
    stand = Stand(server)
    stand.add()
    fine, away = server.answers[f"{HERE}actions/runs/1"], [(502, {}), (200, b"<html>")]
    server.answers[f"{HERE}actions/runs/1"] = lambda *given: away.pop() if away else fine(*given)
    assert follow(forge(server), TAG)[0]["conclusion"] == "success"
    server.answers[f"{HERE}actions/workflows/deploy.yml/dispatches"] = (502, {})
    before = len(server.asked)
    with pytest.raises(ReleaseError, match="answered with 502"):
        dispatch(forge(server), DEPLOY)
    assert [path.rpartition("/")[2] for path, *_rest in server.asked[before:]] == ["runs", "dispatches"]


def test_what_the_push_of_a_tag_started_is_followed_for_the_commit_it_names(server):
    stand = Stand(server)
    stand.add(sha="of-the-former-tag")
    stand.add()
    stand.add()
    assert [run["id"] for run in follow(forge(server), TAG)] == [2, 3]


def listing(stand, *amounts):
    """What the forge lists, look by look: so many of the runs, and all of them in the end."""
    left = list(amounts)
    return lambda *_: (200, {"workflow_runs": stand.runs[: left.pop(0) if left else None]})


def test_runs_that_are_listed_while_the_others_run_are_followed_too(server):
    stand = Stand(server)
    for _run in range(3):
        stand.add()
    server.answers[f"{HERE}actions/runs"] = listing(stand, 0, 1, 2, 2)
    assert [run["id"] for run in follow(forge(server), TAG)] == [1, 2]
    server.answers[f"{HERE}actions/runs"] = listing(stand, 1, 2)
    assert [run["id"] for run in follow(forge(server), TAG)] == [1, 2, 3]


def test_a_run_that_is_listed_late_and_fails_is_an_error_beside_what_succeeded(server):
    stand = Stand(server)
    stand.add()
    stand.conclusion = "failure"
    server.answers[f"{HERE}actions/runs/1"] = {"id": 1, "status": "completed", "conclusion": "success"}
    stand.add()
    server.answers[f"{HERE}actions/runs"] = listing(stand, 1)
    with pytest.raises(ReleaseError, match=r"deploy ended with failure\. Where: https://forge/runs/2") as raised:
        follow(forge(server), TAG)
    assert [run["conclusion"] for run in raised.value.details["runs"]] == ["success", "failure"]


def test_what_has_ended_already_leaves_the_others_time_to_be_listed(server):
    stand, begun = Stand(server, looks=1), time.monotonic()
    stand.add()
    stand.add()
    server.answers[f"{HERE}actions/runs"] = lambda *_: (
        200,
        {"workflow_runs": stand.runs[: 1 if time.monotonic() < begun + 0.3 else 2]},
    )
    assert len(follow(forge(server), Asked("", "v2.4.0", {}, 0.4))) == 2


def test_a_push_that_started_nothing_is_an_error(server):
    Stand(server).add(sha="another")
    with pytest.raises(NotReady, match=r"the push of v2\.4\.0 started no run in time"):
        follow(forge(server, 0.3), TAG)


def artifact(number, name="build", days=100, branch="main", expired=False):
    made = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = {"head_branch": branch}
    return {"id": number, "name": name, "created_at": made, "expired": expired, "workflow_run": run}


def test_old_ones_go_and_those_that_a_release_needs_stay():
    rule = Rule(timedelta(days=30), 2, ("v*", "sbom-*"))
    artifacts = [
        artifact(1, days=200),
        artifact(2, days=100),
        artifact(3, days=90),
        artifact(4, days=80),
        artifact(5, days=300, branch="v2.3.0"),
        artifact(6, name="sbom-api", days=300),
        artifact(7, name="only", days=300),
        artifact(8, days=400, expired=True),
    ]
    assert [one["id"] for one in old(artifacts, rule, NOW)] == [1, 2]
    assert [one["id"] for one in old([artifact(1, days=29)], Rule(timedelta(days=30), 0, ()), NOW)] == []


def test_they_are_listed_page_by_page_and_deleted_once(server):
    there = [artifact(number, days=100 + number) for number in range(250)]

    def page(query, _body):
        number = int(query["page"][0])
        return 200, {"artifacts": there[(number - 1) * 100 : number * 100]}

    deleted = []
    server.answers[f"{HERE}actions/artifacts"] = page
    for one in there:
        answer = (404 if one["id"] % 2 else 204, b"")
        server.answers[f"{HERE}actions/artifacts/{one['id']}"] = lambda *_, n=one["id"], a=answer: (
            deleted.append(n) or a
        )
    rule = Rule(timedelta(days=30), 10, ())
    assert len(tidy(forge(server), rule, NOW, dry=True)[0]) == 240
    assert deleted == []
    gone, kept = tidy(forge(server), rule, NOW, dry=False)
    assert (len(gone), kept) == (240, 10)
    assert sorted(deleted) == sorted(one["id"] for one in gone)
