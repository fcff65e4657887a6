# SPDX-License-Identifier: GPL-3.0-or-later
"""What every task pays for: ansible loads the filters one after the other until it has found the one it looks for."""

from __future__ import annotations

import json
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST = 25
COUNT = """
import json, sys
from importlib import import_module
from pathlib import Path
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


def test_a_filter_that_is_passed_by_loads_little():
    names = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.py"))
    said = subprocess.run([sys.executable, "-c", COUNT, *names], check=True, capture_output=True, text=True).stdout
    assert {name: count for name, count in json.loads(said).items() if count > MOST} == {}


def test_a_run_that_waits_leaves_the_processor_to_others():
    settings = ConfigParser()
    settings.read(ROOT / "ansible.cfg")
    assert settings.getfloat("defaults", "internal_poll_interval") >= 0.01
