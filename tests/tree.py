# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the checkout under the path that ansible-test demands: build/tree/ansible_collections/runbook/release."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / "build" / "tree" / "ansible_collections" / "runbook" / "release"
HOME = ROOT / "build" / "home"
DEPENDENCIES = ("kubernetes",)

PIP_BOOTSTRAP = """\
# Made by runbook.release. Does what get-pip does, from the package index alone.
import ensurepip
import os
import runpy
import sys

ensurepip.bootstrap(default_pip=True)
del os.environ["PIP_CONFIG_FILE"]  # ensurepip switched the user's configuration off
packages = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", "--upgrade", "pip=={version}", *packages]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed in this Python. Do: make venv-tests, and use build/venv/bin/python")
    return Path(next(iter(spec.submodule_search_locations)))


def make_tree() -> Path:
    """Copy every file that git would track; a repository of its own lets tools list the files there."""
    collections, output, parked = TREE.parents[1], TREE / "tests" / "output", TREE.parents[2] / "output"
    if output.exists():
        output.rename(parked)  # ansible-test keeps its virtual environment there
    shutil.rmtree(collections, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, TREE / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    if parked.exists():
        parked.rename(output)
    for namespace in DEPENDENCIES:
        (collections / namespace).symlink_to(_package_folder("ansible_collections") / namespace)
    subprocess.run(["git", "init", "--quiet", str(TREE)], check=True)
    return TREE


def make_home() -> Path:
    """A home folder that lets `ansible-test --venv` install from the package index as pip is set up here.

    ansible-test passes no PIP_ variable on, so they become a file. Its script that brings pip lies outside the package
    index, so a stand-in is put where the script would be kept.
    """
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True)
    config = ConfigParser(interpolation=None)
    for line in sorted(listed.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        key, _equals, value = line.partition("=")
        section, _dot, option = key.replace(":env:", "global").partition(".")
        config.read_dict({section: {option: ast.literal_eval(value)}})
    file = HOME / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as stream:
        config.write(stream)
    pins = (_package_folder("ansible_test") / "_internal" / "python_requirements.py").read_text()
    for version in sorted(set(re.findall(r"\bpip='([\d.]+)'", pins))):
        script = HOME / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(PIP_BOOTSTRAP.format(version=version))
    return HOME
