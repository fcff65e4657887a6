# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that run a program, or put load on a system with a real k6, where releases are made from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .plugins.module_utils.tor.faulty_server import FaultyServer, serving
from .test_maintaining import NEVER, Stage

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


def test_programs_and_load_are_done_as_they_end(tmp_path: Path, server: FaultyServer) -> None:
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
    stage = Stage(tmp_path, release_tasks=tasks, maintenance={"lists": []}, maintenance_tasks=names)
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
        (["sh", "-c", "echo two of the tests failed; exit 3"], "1m", "sh ended with 3:\ntwo of the tests failed"),
        (["sleep", "600"], "1s", "sleep did not end within 1s"),
        (["no-such-program"], "1m", "no-such-program ended with 127"),
    ],
)
def test_a_program_that_fails_or_does_not_end_fails_its_task(
    tmp_path: Path, command: list[str], limit: str, said: str
) -> None:
    tasks = [{"name": "tests", "run": {"command": command, "timeout": limit}}]
    stage = Stage(tmp_path, release_tasks=tasks, maintenance={"lists": []}, maintenance_tasks=["tests"])
    assert said in stage.tasks()["tests"]["why"]


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
