# SPDX-License-Identifier: GPL-3.0-or-later
"""build.yml with a real git, and a stand-in of a forge that speaks the few addresses of its API that are asked."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .plugins.module_utils.tor.faulty_server import FaultyServer, serving
from .stage import ROOT, play

HERE = "/repos/o/r/"


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setenv("FORGE_TOKEN", "a-token")
    with serving() as own:
        yield own


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=Alice", "-c", "user.email=alice@example.com"]
    argv = ["git", *who, "-C", str(folder), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one commit, whose remote is a bare repository beside it."""
    folder = tmp_path / "checkout"
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "remote.git")], check=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    git(folder, "config", "user.name", "Alice")
    git(folder, "config", "user.email", "alice@example.com")
    git(folder, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    return folder


def build(folder: Path, tasks: list[dict[str, Any]], number: int = 1, **more: Any) -> str:
    lists = [{"name": "build", "tasks": [one["name"] for one in tasks]}]
    where = {"release_system": "shop", "release_environment": "prod", "release_cluster": {"namespace": "shop"}}
    host = {
        **where,
        "release_version": "2.4.0",
        "release_tasks": tasks,
        "release_maintenance": {"lists": lists},
        **more,
    }
    stage = folder / f"run{number}"
    stage.mkdir()
    said, _asked = play(stage, ROOT / "playbooks" / "build.yml", {"shop": host})
    return said


def test_a_version_is_tagged_and_pushed_once_and_never_moved(
    tmp_path: Path, checkout: Path, forge: FaultyServer
) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    run = {"id": 1, "head_sha": commit, "name": "deploy", "html_url": "https://forge/runs/1"}
    ended = {**run, "status": "completed", "conclusion": "success"}
    forge.answers[f"{HERE}commits/v2.4.0"] = {"sha": commit}
    forge.answers[f"{HERE}actions/runs"] = {"workflow_runs": [run]}
    forge.answers[f"{HERE}actions/runs/1"] = ended
    follow = {
        "do": "follow",
        "repository": "o/r",
        "api": forge.url,
        "ref": "v2.4.0",
        "token_environment": "FORGE_TOKEN",
    }
    tasks = [
        {"name": "tag", "tag": {"folder": str(checkout), "prefix": "v", "about": "now with colours"}},
        {"name": "follow", "pipeline": {**follow, "every": 0.1, "timeout": 60}},
    ]
    said = build(tmp_path, tasks)
    assert "tag: done" in said
    assert "follow: unchanged" in said
    assert git(tmp_path / "remote.git", "cat-file", "-t", "v2.4.0") == "tag"
    assert git(tmp_path / "remote.git", "rev-parse", "v2.4.0^{commit}") == commit
    assert git(tmp_path / "remote.git", "tag", "-l", "--format=%(contents)") == "Release v2.4.0: now with colours"
    tagged = git(tmp_path / "remote.git", "rev-parse", "v2.4.0")

    forge.answers[f"{HERE}actions/runs/1"] = {**ended, "conclusion": "failure"}
    again = build(tmp_path, tasks, 2)
    assert "tag: unchanged" in again
    assert "deploy ended with failure. Where: https://forge/runs/1" in " ".join(again.split())

    git(checkout, "commit", "-q", "--allow-empty", "-m", "two")
    asked = len(forge.asked)
    moved = " ".join(build(tmp_path, tasks, 3).split())
    assert "Do: give this commit a version of its own." in moved
    assert "follow: skipped" in moved
    assert len(forge.asked) == asked
    assert git(tmp_path / "remote.git", "rev-parse", "v2.4.0") == tagged


def test_work_on_what_runs_is_refused(tmp_path: Path) -> None:
    said = build(tmp_path, [{"name": "restart", "workload": {"name": "api", "do": "restart"}}])
    assert "restart is no work of the kind tag, pipeline or run" in " ".join(said.split())
