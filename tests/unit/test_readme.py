# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the README are those of playbooks that are there, and tests run them with the same variables."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
TESTS = {path: path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py"))}
OF_EVERY_CHANGE = {path: text for path, text in TESTS.items() if "pytestmark = pytest.mark.thorough" not in text}
GENERAL = {"release_version"}


def commands(heading: str) -> list[str]:
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\$ (ansible-playbook .*)$", section, re.MULTILINE)


@pytest.mark.parametrize("command", commands("The bad day"))
def test_each_command_of_the_bad_day_is_run_by_a_test_with_these_variables(command: str) -> None:
    words = shlex.split(command)
    playbook = words[1].removeprefix("runbook.release.") + ".yml"
    assert (ROOT / "playbooks" / playbook).exists()
    given = {words[nth + 1].partition("=")[0] for nth, word in enumerate(words) if word == "-e"} - GENERAL
    running = [text for path, text in OF_EVERY_CHANGE.items() if playbook in text and path != Path(__file__)]
    missing = {name for name in given if not any(known(name, text) for text in running)}
    assert running, f"no test runs {playbook}"
    assert not missing, f"no test of {playbook} gives {', '.join(sorted(missing))}"


def known(variable: str, text: str) -> bool:
    """Tests of incidents name their variables without what all of them begin with."""
    return variable in text or re.search(rf"\b{variable.removeprefix('incident_')}=", text) is not None
