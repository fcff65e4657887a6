# SPDX-License-Identifier: GPL-3.0-or-later
"""The role backup as part of releases that a real cluster remembers: what they would go back to, and how old it is."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import NAMESPACE
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import lease_name
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.module_utils.release.ending import End, end
from ansible_collections.runbook.release.plugins.module_utils.release.operate import Begin, begin
from ansible_collections.runbook.release.plugins.module_utils.release.resume import Want
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.postgres import Postgres

pytestmark = pytest.mark.thorough

SPACE = "backup-role-case"
ROOT = Path(__file__).resolve().parents[2]
Obj = dict[str, Any]


@pytest.fixture(scope="module")
def client() -> Iterator[KubeClient]:
    own = KubeClient()
    own.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    yield own
    own.delete(NAMESPACE, SPACE)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres.start()
    yield server
    server.stop()


class System:
    """An inventory host of its own, with one database and a store that keeps as little as it may."""

    def __init__(self, client: KubeClient, postgres: Postgres, folder: Path) -> None:
        self.client, self.folder = client, folder
        self.name = f"shop-{secrets.token_hex(3)}"
        self.database = f"shop_{secrets.token_hex(3)}"
        postgres.sql(f"create database {self.database}")
        self.store = LocalStore(str(folder / "store"))
        login = {"host": postgres.host, "port": postgres.port, "user": postgres.user, "password": postgres.password}
        self.variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": self.name,
            "release_environment": "prod",
            "release_cluster": {"namespace": SPACE},
            "release_databases": [{"name": self.database, "server": {**login, "bindir": str(postgres.bindir)}}],
        }

    def begun(self, version: str) -> Run:
        lease = lease_name(self.name, "prod")
        asked = Begin(SPACE, lease, "alice@a", Want(version), recorded={"components": ["api"]})
        return Run(**begin(self.client, asked)["run"])

    def ended(self, run: Run) -> None:
        end(self.client, run, End("released"))

    def told(self, run: Run, what: str) -> None:
        Store(self.client, SPACE, run.release).append(Draft(what, None, None, run.who, run.token))

    def back_up(self, run: Run, age: str, *, resumed: bool = False) -> str:
        """The role as deploy.yml runs it; the backup it passes on."""
        told = self.folder / "context.json"
        tell = {"content": "{{ release_context | to_json }}", "dest": str(told), "mode": "0600"}
        tasks = [
            {"name": "Back up", "ansible.builtin.include_role": {"name": "runbook.release.backup"}},
            {"name": "Tell", "ansible.builtin.copy": tell},
        ]
        defaults = {"group/runbook.release.run": {"run": "{{ release_context.run }}"}}
        play = {"name": "Play", "hosts": "all", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}
        variables = {
            **self.variables,
            "release_context": {"id": run.release, "run": run.report(), "resumed": resumed},
            "release_backups": {
                "store": {"path": self.store.where},
                "age": age,
                "proof": "checksum",
                "keep": {"last": 1, "min_valid": 1},
            },
        }
        (self.folder / "play.yml").write_text(json.dumps([play]))
        (self.folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"shop": variables}}}))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.json", "play.yml"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections"), **os.environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return str(json.loads(told.read_text())["backups"][self.database])

    def kept(self) -> list[str]:
        return [one.id for one in self.store.backups()]


@pytest.fixture
def system(client: KubeClient, postgres: Postgres, tmp_path: Path) -> System:
    return System(client, postgres, tmp_path)


def test_what_a_standing_release_goes_back_to_outlives_the_next_release(system: System) -> None:
    made = []
    for version in ("1.3.0", "1.4.0", "1.5.0"):
        run = system.begun(version)
        made.append(system.back_up(run, "0 s"))
        if version != "1.5.0":
            system.ended(run)
    assert system.kept() == made[1:], "of 1.4.0, which is live, and of 1.5.0, which is on its way"


def test_a_release_that_goes_on_takes_a_new_backup_when_its_own_has_become_too_old(system: System) -> None:
    run = system.begun("1.4.0")
    first = system.back_up(run, "1 h")
    assert system.back_up(run, "1 h", resumed=True) == first
    second = system.back_up(run, "0 s", resumed=True)
    assert second != first
    assert second.startswith(first)
    system.told(run, "migrate orders: begins")
    assert system.back_up(run, "0 s", resumed=True) == second, "a younger one has what was migrated"
