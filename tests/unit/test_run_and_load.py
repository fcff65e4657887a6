# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that run a program, or put load on a system with a real k6, where releases are made from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from .plugins.module_utils.release.api import Api, acquired, renewed
from .plugins.module_utils.release.served import served
from .plugins.module_utils.tor.faulty_server import FaultyServer, serving
from .test_maintaining import NEVER, RUN, Stage

SCRIPT = """import http from 'k6/http';
export const options = {{ vus: 500, duration: '1h' }};
export default function () {{ http.get('{url}'); }}
"""


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving() as own:
        own.answers["/well"] = {}
        own.answers["/ill"] = (503, {})
        yield own


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What has the lock of the run."""
    api = Api()
    api.now = datetime.fromtimestamp(RUN["token"], UTC)  # the first token is the time
    assert acquired(api, RUN["who"]) == RUN["token"]
    before = renewed(api)
    with served(api, tmp_path / "kubeconfig"):
        yield {"namespace": "shop", "kubeconfig": str(tmp_path / "kubeconfig")}
    assert renewed(api) > before


def test_programs_and_load_are_done_as_they_end(tmp_path: Path, server: FaultyServer, cluster: dict[str, Any]) -> None:
    load = {"users": 2, "duration": "2s", "patience": "1s", "thresholds": {"http_req_failed": ["rate<0.001"]}}
    for path in ("well", "ill"):
        (tmp_path / f"{path}.js").write_text(SCRIPT.format(url=f"{server.url}/{path}"))
    tasks = [
        {
            "name": "well",
            "run": {"command": ["sh", "-c", "echo $WHERE; pwd"], "folder": "/", "environment": {"WHERE": "here"}},
        },
        {
            "name": "load",
            "load": {**load, "script": str(tmp_path / "well.js"), "report": str(tmp_path / "report.json")},
        },
        {"name": "overload", "load": {**load, "script": str(tmp_path / "ill.js"), "duration": "1h"}},
    ]
    names = [one["name"] for one in tasks]
    stage = Stage(
        tmp_path, release_tasks=tasks, maintenance={"lists": []}, maintenance_tasks=names, release_cluster=cluster
    )
    done = stage.tasks()
    assert {name: one["verdict"] for name, one in done.items()} == {
        "well": "done",
        "load": "done",
        "overload": "failed",
    }
    assert done["well"]["found"]["said"] == ["here", "/"]
    assert "A threshold does not hold, so the load was ended" in done["overload"]["why"]
    assert "http_req_failed" in done["overload"]["why"]
    assert json.loads((tmp_path / "report.json").read_text())["metrics"]["vus_max"]["max"] == 2


@pytest.mark.parametrize(
    ("command", "limit", "said"),
    [
        (
            ["sh", "-c", "echo two of the tests failed; exit 3"],
            "1m",
            "sh ended with exit code 3: two of the tests failed",
        ),
        (["sleep", "600"], "1s", "sleep did not end within 1 s"),
        (["no-such-program"], "1m", "no-such-program cannot be started"),
    ],
)
def test_a_program_that_fails_or_does_not_end_fails_its_task(
    tmp_path: Path, command: list[str], limit: str, said: str, cluster: dict[str, Any]
) -> None:
    tasks = [{"name": "tests", "run": {"command": command, "timeout": limit}}]
    stage = Stage(
        tmp_path, release_tasks=tasks, maintenance={"lists": []}, maintenance_tasks=["tests"], release_cluster=cluster
    )
    assert said in stage.tasks()["tests"]["why"]
    assert "two failed" not in str([entry for name, entry in stage.asked if name == "release_ledger"])


def test_an_address_may_be_a_secret_and_stands_without_its_path(tmp_path: Path, server: FaultyServer) -> None:
    tasks = [{"name": "tell", "request": {"url": f"{server.url}/ill/planted"}}]
    server.answers["/ill/planted"] = (503, {})
    stage = Stage(tmp_path, release_tasks=tasks, maintenance={"lists": []}, maintenance_tasks=["tell"])
    assert stage.tasks()["tell"]["why"] == "POST http://127.0.0.1 was answered with 503."
    assert "planted" not in stage.said + str(stage.asked)


@pytest.mark.parametrize("work", ["run", "load"])
def test_outside_of_a_window_neither_begins(tmp_path: Path, work: str) -> None:
    options = {
        "run": {"command": ["touch", str(tmp_path / "touched")]},
        "load": {"script": "none.js", "users": 1, "duration": "1s", "thresholds": {"http_req_failed": ["rate<1"]}},
    }
    tasks = [{"name": "it", work: options[work]}]
    stage = Stage(
        tmp_path, release_tasks=tasks, maintenance={"windows": [NEVER], "lists": []}, maintenance_tasks=["it"]
    )
    assert "No window is open" in stage.last_words
    assert stage.asked == []
    assert not (tmp_path / "touched").exists()
