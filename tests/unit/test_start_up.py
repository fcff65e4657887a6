# SPDX-License-Identifier: GPL-3.0-or-later
"""What every task pays for: ansible loads the filters one after the other until it has found the one it looks for."""

from __future__ import annotations

import json
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MOST = 25
COUNT = """
import json, sys
from importlib import import_module
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
counted = {}
for name in sys.argv[1:]:
    for known in [known for known in sys.modules if known.startswith("ansible_collections.runbook")]:
        del sys.modules[known]
    import_module(f"ansible_collections.runbook.release.plugins.filter.{name}")
    counted[name] = sum(".release.plugins.module_utils." in known for known in sys.modules)
print(json.dumps(counted))
"""


def test_a_filter_that_is_passed_by_loads_little() -> None:
    names = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.py"))
    said = subprocess.run([sys.executable, "-c", COUNT, *names], check=True, capture_output=True, text=True).stdout
    assert {name: count for name, count in json.loads(said).items() if count > MOST} == {}


def test_every_playbook_loads_the_filters_before_it_forks() -> None:
    """By its ``serial``, which it has for who says how many hosts go at a time. Two refuse all hosts or none first."""
    plays = {path.stem: yaml.safe_load(path.read_text())[0] for path in (ROOT / "playbooks").glob("*.yml")}
    asked = {name: play.get("serial", "") for name, play in plays.items() if play.get("hosts") == "all"}
    assert len(asked) > 12
    without = [name for name, serial in asked.items() if "| runbook.release.batches" not in serial]
    assert sorted(without) == ["production", "staging"]


@pytest.mark.parametrize("path", ["ansible.cfg", "playbooks/templates/init/ansible.cfg.j2"])
def test_a_run_that_waits_leaves_the_processor_to_others(path: str) -> None:
    settings = ConfigParser()
    settings.read(ROOT / path)
    assert settings.getfloat("defaults", "internal_poll_interval") >= 0.01
