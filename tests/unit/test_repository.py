# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises that hold for the repository as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.run(
    ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
).stdout
FILES = [ROOT / name for name in sorted(filter(None, LISTED.split("\0"))) if (ROOT / name).is_file()]
PYTHON = [path for path in FILES if path.suffix == ".py" and path.stat().st_size]
MODULES = [path for path in PYTHON if path.parent == ROOT / "plugins" / "modules"]
MODULE_UTILS = [path for path in PYTHON if ROOT / "plugins" / "module_utils" in path.parents]
SYSTEMS = "novacron|podinfo|predictiq|teei|pea|solar"
REGISTRIES = (
    "pypi",
    "files.pythonhosted",
    "proxy.golang",
    "registry.npmjs",
    "repo.maven",
    "deb.debian",
    "static.crates",
)


def below(*folders: str) -> list[Path]:
    return [path for path in FILES if path.relative_to(ROOT).parts[0] in folders]


def lines_with(pattern: str, files: list[Path]) -> list[str]:
    """Where the pattern stands, as file:line: text."""
    wanted = re.compile(pattern, re.IGNORECASE)
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if wanted.search(line)
    ]


def test_no_code_or_role_names_a_system() -> None:
    content = [path for path in below("plugins", "roles", "playbooks") if not path.stem.startswith("demo")]
    assert content
    assert lines_with(rf"\b({SYSTEMS})\b", content) == []


def test_no_file_names_this_machine_or_a_registry() -> None:
    hosts = "|".join(rf"\b{re.escape(host)}\.(?:org|io|apache)\b" for host in REGISTRIES)
    assert lines_with(rf"(?<![\w.}})])/(?:work|root)/|{hosts}", FILES) == []


def test_every_python_file_names_its_licence() -> None:
    silent = [path for path in PYTHON if "SPDX-License-Identifier: GPL-3.0-or-later" not in path.read_text()[:400]]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_code_files_stay_small() -> None:
    code = [path for path in PYTHON if not path.name.startswith("test_")]
    long = {str(path.relative_to(ROOT)): lines for path in code if (lines := path.read_text().count("\n")) > 400}
    assert long == {}


def test_module_utils_say_that_they_are_private() -> None:
    public = [path for path in MODULE_UTILS if "# Private to the collection." not in path.read_text()[:400]]
    assert [str(path.relative_to(ROOT)) for path in public] == []


@pytest.mark.parametrize("path", MODULE_UTILS, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_module_facade_knows_ansible(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imported = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    imported += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    ansible = [name for name in imported if name.split(".")[0] == "ansible"]
    assert not ansible or path.name == "module.py"


def test_sanity_ignores_nothing() -> None:
    assert below("tests") != []
    assert [path.name for path in FILES if path.parent == ROOT / "tests" / "sanity"] == []


def test_the_action_group_has_every_module_that_talks_to_the_cluster() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    talking = sorted(path.stem for path in MODULES if "runbook.release.kube\n" in path.read_text())
    assert sorted(runtime["action_groups"]["kube"]) == talking


def test_the_action_group_has_every_module_that_takes_part_in_a_release() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    taking_part = sorted(path.stem for path in MODULES if "- runbook.release.run\n" in path.read_text())
    assert sorted(runtime["action_groups"]["run"]) == taking_part


def test_the_lock_pins_every_requirement() -> None:
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    for name in ("requirements.txt", "requirements-test.txt"):
        wanted = set(re.findall(r"^([A-Za-z][\w.-]*)", (ROOT / name).read_text(), re.MULTILINE))
        assert {word.lower().replace("_", "-") for word in wanted} <= {
            word.lower().replace("_", "-") for word in pinned
        }


def test_readme_names_only_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named
    assert named <= targets


def test_readme_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
