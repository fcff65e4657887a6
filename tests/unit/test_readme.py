# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the README are those of playbooks that are there, and tests run them with the same variables."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from ansible.parsing.splitter import parse_kv

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
TESTS = {path: path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py"))}
OF_EVERY_CHANGE = {path: text for path, text in TESTS.items() if "pytestmark = pytest.mark.thorough" not in text}
GENERAL = {"release_version"}
BLOCKS = re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
TYPED = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if "ansible" in line]
READ = [ROOT / "README.md"] + [
    path
    for folder in ("plugins", "roles", "playbooks", "inventories", "extensions", "docs")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".yml", ".j2", ".md"}
]


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


@pytest.mark.parametrize("command", TYPED)
def test_what_follows_e_is_one_variable_once_the_shell_has_taken_its_quotes(command: str) -> None:
    words = shlex.split(command.removeprefix("$ "))
    given = [words[nth + 1] for nth, word in enumerate(words) if word == "-e"]
    rests = [parse_kv(word).get("_raw_params") for word in given if not word.startswith("{")]
    assert not any(rests), f"{rests} is left over, so the values end at their first blank"


def test_no_hint_quotes_a_value_only_for_the_shell() -> None:
    """Ansible splits what the shell leaves at its blanks: ``-e name='two words'`` sets ``name`` to ``two``."""
    wrong = {
        f"{path.relative_to(ROOT)}: {found}"
        for path in READ
        for found in re.findall(r"""-e [a-z_]+=['"][^'"]*['"]""", path.read_text())
    }
    assert wrong == set()


@pytest.mark.parametrize(("table", "folder"), [("Modules", "modules"), ("Filters", "filter"), ("Lookup", "lookup")])
def test_the_table_has_every_plugin_and_no_other(table: str, folder: str) -> None:
    rows = README.split(f"\n| {table} |")[1].split("\n\n")[0].splitlines()
    named = [name for row in rows if row.startswith("| `") for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(path.stem for path in (ROOT / "plugins" / folder).glob("*.py"))
