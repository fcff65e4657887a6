# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles and playbooks of this checkout, played by ansible-playbook with stand-ins for the modules that need a cluster.

A stand-in is named by the module it stands in for. It writes what it was asked to `asked.jsonl` and ends with what the
test says: a result for each value of one of its arguments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = """#!/usr/bin/python
import json
from ansible.module_utils.basic import AnsibleModule, _load_params
given = {name: value for name, value in _load_params().items() if not name.startswith("_ansible")}
module = AnsibleModule({name: {"type": "raw"} for name in given}, supports_check_mode=True)
if ONLY_CHECKS and not module.check_mode:
    module.fail_json("it was to look only")
value = given.get(KEY, "")
value = json.dumps(value) if isinstance(value, (dict, list)) else value
with open(FOLDER + "/asked.jsonl", "a") as log:
    log.write(json.dumps([NAME, value]) + "\\n")
result = RESULTS.get(value, {})
module.fail_json(**result) if result.get("failed") else module.exit_json(**result)
"""


@dataclass(frozen=True)
class StandIn:
    """`results` by the value of the argument `key`, which is empty when it was left out; what is not there succeeds.

    A list or mapping counts as its JSON. One that `only_checks` fails outside of check mode.
    """

    name: str
    key: str
    results: Mapping[str, Mapping[str, Any]]
    only_checks: bool = False


def play(
    folder: Path, playbook: Path, hosts: Mapping[str, Any], *stand_ins: StandIn, limit: str = ""
) -> tuple[str, list[Any]]:
    """What ansible-playbook printed, and what the stand-ins were asked, as name and value of their key."""
    env = {**staged(folder, *stand_ins), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": here}}))
    command = ["ansible-playbook", "-i", "hosts.json", str(playbook), *([f"--limit={limit}"] if limit else [])]
    said = subprocess.run(command, cwd=folder, env=env, check=False, capture_output=True, text=True)
    return said.stdout + said.stderr, asked(folder)


def staged(folder: Path, *stand_ins: StandIn) -> dict[str, str]:
    """The environment in which the collection is this checkout with the stand-ins."""
    _collection(folder, stand_ins)
    return {
        **{name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
    }


def asked(folder: Path) -> list[Any]:
    """What the stand-ins were asked so far."""
    log = folder / "asked.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _collection(folder: Path, stand_ins: tuple[StandIn, ...]) -> None:
    own = folder / "collections" / "ansible_collections" / "runbook" / "release"
    modules = own / "plugins" / "modules"
    modules.mkdir(parents=True)
    for name in ("roles", "playbooks", "meta", "galaxy.yml"):
        (own / name).symlink_to(ROOT / name)
    for part in (ROOT / "plugins").iterdir():
        if part.name != "modules":
            (own / "plugins" / part.name).symlink_to(part)
    for module in (ROOT / "plugins" / "modules").glob("*.py"):
        (modules / module.name).symlink_to(module)
    for one in stand_ins:
        (modules / f"{one.name}.py").unlink()
        given = (str(folder), one.name, one.key, dict(one.results), one.only_checks)
        head = f"FOLDER, NAME, KEY, RESULTS, ONLY_CHECKS = {given!r}\n"
        (modules / f"{one.name}.py").write_text(STAND_IN.replace("import json\n", f"import json\n{head}", 1))
