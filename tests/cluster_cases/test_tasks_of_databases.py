# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks about a real PostgreSQL and a real Redis, by the playbook that people start, recorded in a real cluster."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import NAMESPACE, SECRET
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.postgres import Postgres
from services.redis import Redis

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "shop"
Obj = dict[str, Any]


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = Postgres.start()
    server.sql("create database shop")
    server.sql("create table orders (id int primary key); insert into orders select generate_series(1, 1000)", "shop")
    yield server
    server.stop()


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture
def space() -> Iterator[str]:
    name, client = f"database-tasks-{secrets.token_hex(3)}", KubeClient()
    client.create(NAMESPACE, {"metadata": {"name": name}})
    yield name
    client.delete(NAMESPACE, name)


def variables(folder: Path, space: str, postgres: Postgres, redis: Redis) -> Obj:
    login = {"host": postgres.host, "port": postgres.port, "user": postgres.user, "password": postgres.password}
    cache = {"host": redis.host, "port": redis.port, "password_secret": {"name": "cache", "key": "password"}}
    hanging = {"name": "shop", "do": "end_sessions", "older_than": "0 s", "users": [postgres.user]}
    tasks: list[Obj] = [
        {"name": "who is connected", "report": {"database": "shop", "about": "sessions"}},
        {"name": "end what hangs", "database": hanging},
        {"name": "vacuum", "database": {"name": "shop", "do": "vacuum", "unless_within": "7 d"}},
        {"name": "reindex", "consent": True, "database": {"name": "shop", "do": "reindex"}},
        {"name": "flush the forecasts", "cache": {"server": cache, "do": "flush", "pattern": "forecast:*"}},
        {"name": "back up", "backup": {}},
        {"name": "rehearse", "drill": {}},
    ]
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "release_system": SYSTEM,
        "release_environment": "test",
        "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": space},
        "release_record": str(folder / "record"),
        "release_databases": [{"name": "shop", "server": {**login, "bindir": str(postgres.bindir)}}],
        "release_backups": {"store": {"path": str(folder / "store")}, "recovery_time": "4 h", "recovery_point": "1 h"},
        "release_tasks": tasks,
        "release_maintenance": {
            "lists": [{"name": "weekly", "windowed": False, "tasks": [one["name"] for one in tasks]}]
        },
    }


def maintain(folder: Path, given: Obj) -> tuple[str, dict[str, Obj]]:
    """What was said, and what became of each task."""
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {SYSTEM: given}}}))
    ansible = str(Path(sys.executable).parent / "ansible-playbook")
    command = [ansible, "-i", str(folder / "hosts.json"), str(ROOT / "playbooks" / "maintenance.yml")]
    run = subprocess.run(
        [*command, "-e", "maintenance_list=weekly"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    newest = max((folder / "record").rglob("record.json"), key=lambda path: path.stat().st_mtime_ns)
    return run.stdout + run.stderr, {one["name"]: one for one in json.loads(newest.read_text())["tasks"]}


def test_a_week_of_a_database_and_a_cache_is_done_once_and_recorded(
    tmp_path: Path, space: str, postgres: Postgres, redis: Redis
) -> None:
    KubeClient().create(SECRET, {"metadata": {"name": "cache"}, "stringData": {"password": redis.password}}, space)
    for key in ("forecast:1", "forecast:2", "session:1"):
        redis.say("set", key, "x")
    hanging = psycopg2.connect(
        host=postgres.host, port=postgres.port, user=postgres.user, password=postgres.password, dbname="shop"
    )
    hanging.cursor().execute("select 1")
    given = variables(tmp_path, space, postgres, redis)
    said, tasks = maintain(tmp_path, given)
    assert {name: one["verdict"] for name, one in tasks.items()} == {
        "who is connected": "done",
        "end what hangs": "done",
        "vacuum": "done",
        "reindex": "waits",
        "flush the forecasts": "done",
        "back up": "done",
        "rehearse": "done",
    }, said
    with pytest.raises(psycopg2.Error):
        hanging.cursor().execute("select 1")
    assert redis.say("keys", "*") == "session:1"
    (backup,) = LocalStore(str(tmp_path / "store")).backups()
    assert backup.proof
    assert backup.proof.holds
    assert "(objective 4 h: kept)" in tasks["rehearse"]["why"]
    for secret in (postgres.password, redis.password):
        assert secret not in said + "".join(path.read_text() for path in (tmp_path / "record").rglob("*.json"))

    (known,) = tell(KubeClient(), space, f"{SYSTEM}-test")["releases"]
    texts = Store(KubeClient(), space, known["release"]).texts()
    assert (known["kind"], known["verdict"], verify(known["release"], texts)) == ("tasks", "done", [])
    _said, again = maintain(tmp_path, given)
    assert (again["vacuum"]["verdict"], again["flush the forecasts"]["verdict"]) == ("unchanged", "unchanged")
