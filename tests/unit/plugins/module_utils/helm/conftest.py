# SPDX-License-Identifier: GPL-3.0-or-later
"""A Helm that does what a test wants, and records how it was started."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """#!{python}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(json.dumps({{"argv": sys.argv[1:], "kubeconfig": os.environ.get("KUBECONFIG", "")}}) + "\\n")
answers = json.loads((here / "answers").read_text())
answer = answers.get(sys.argv[1], {{}})
if "lines" in answer:
    count = len([1 for line in (here / "calls").read_text().splitlines() if json.loads(line)["argv"][0] == sys.argv[1]])
    answer = {{"out": answer["lines"].replace("COUNT", str(count)).replace("RELEASE", sys.argv[2])}}
sys.stdout.write(answer.get("out", ""))
sys.stderr.write(answer.get("err", ""))
sys.exit(answer.get("rc", 0))
"""


class FakeHelm:
    """An executable that answers per verb."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "helm")
        self._folder = folder
        Path(self.path).write_text(SCRIPT.format(python=sys.executable))
        Path(self.path).chmod(0o755)
        self.answers(version={"out": "v3.17.3"})

    def answers(self, **answers: dict[str, Any]) -> None:
        (self._folder / "answers").write_text(json.dumps(answers))

    @property
    def calls(self) -> list[dict[str, Any]]:
        log = self._folder / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def fake_helm(tmp_path_factory: pytest.TempPathFactory) -> FakeHelm:
    return FakeHelm(tmp_path_factory.mktemp("helm"))


@pytest.fixture
def executable(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a shell script and put it in the way."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write
