# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations as Jobs and in pods, of a real PostgreSQL in a real cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    DEPLOYMENT,
    JOB,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.readiness import is_pod_ready
from ansible_collections.runbook.release.plugins.module_utils.migration.job_spec import outcome

Obj = dict[str, Any]
SPACE = "migration-job-case"
TESTS = Path(__file__).resolve().parents[1]
MODULE = "import conftest; from ansible_collections.runbook.release.plugins.modules.pg_migrate import main; main()"
IMAGE = "localhost/postgres:17"
PASSWORD = "of-this-test-alone"
HISTORY = ["sh", "-c", "echo 1 begin; echo 2 notes"]
LOGIN = [
    {"name": "PGHOST", "value": "$(DATABASE_SERVICE_HOST)"},
    {"name": "PGUSER", "value": "postgres"},
    {"name": "PGDATABASE", "value": "shop"},
    {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}},
]


def psql(*sql: str) -> list[str]:
    return ["psql", "-v", "ON_ERROR_STOP=1", "-q", *(word for text in sql for word in ("-c", text))]


UP = psql("alter table orders add note text", "update version set revision = 2", "select 'migrated'")
WAITING = "do 'begin while not exists (select from go) loop perform pg_sleep(0.1); end loop; end'"
SLOW = psql(WAITING, "update version set revision = 2")


def deployment(name: str, container: Obj) -> Obj:
    labels = {"app": name}
    security = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}
    spec = {"securityContext": security, "terminationGracePeriodSeconds": 1, "containers": [container]}
    spec["volumes"] = [{"name": "data", "emptyDir": {}}]
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


DATABASE = {
    "name": "database",
    "image": IMAGE,
    "imagePullPolicy": "IfNotPresent",
    "env": [{"name": "POSTGRES_DB", "value": "shop"}, {"name": "POSTGRES_PASSWORD", "value": PASSWORD}],
    "readinessProbe": {"exec": {"command": ["pg_isready", "-q", "-h", "127.0.0.1"]}, "periodSeconds": 1},
    "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
}
APP = {"name": "app", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"], "env": LOGIN}


@pytest.fixture(scope="module")
def client() -> KubeClient:
    return KubeClient()


@pytest.fixture(scope="module", autouse=True)
def space(client: KubeClient) -> Iterator[None]:
    client.delete(NAMESPACE, SPACE)
    awaited(lambda: client.get(NAMESPACE, SPACE) is None)
    client.create(NAMESPACE, {"metadata": {"name": SPACE}})
    client.create(SECRET, {"metadata": {"name": "database"}, "stringData": {"password": PASSWORD}}, SPACE)
    ports = [{"port": 5432}]
    service = {"metadata": {"name": "database"}, "spec": {"selector": {"app": "database"}, "ports": ports}}
    client.create(SERVICE, service, SPACE)
    client.create(DEPLOYMENT, deployment("database", DATABASE), SPACE)
    client.create(DEPLOYMENT, deployment("app", APP), SPACE)
    awaited(lambda: len([one for one in client.list(POD, SPACE) if is_pod_ready(one)]) == 2)
    yield
    client.delete(NAMESPACE, SPACE)


@pytest.fixture(autouse=True)
def schema(client: KubeClient, space: None) -> None:
    sql(
        client,
        "drop table if exists orders, version, go; create table orders (id int, paid bool); create table go ();"
        "create table version (revision int);"
        "insert into version values (1)",
    )
    for job in client.list(JOB, SPACE):
        client.delete(JOB, job["metadata"]["name"], SPACE)
    awaited(lambda: not client.list(JOB, SPACE))


def awaited(condition: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


def sql(client: KubeClient, text: str) -> str:
    name = client.list(POD, SPACE, "app=database")[0]["metadata"]["name"]
    code, said = client.exec(name, SPACE, "database", ["psql", "-U", "postgres", "-d", "shop", "-Atqc", text])
    assert code == 0, said
    return said.strip()


def start(**options: Any) -> subprocess.Popen[str]:
    given = {
        "name": "notes",
        "kind": "job",
        "class": "expand",
        "server": {"mode": "exec", "namespace": SPACE, "selector": "app=database", "user": "postgres"},
        "database": "shop",
        "revision": {"kind": "query", "query": "select revision from version"},
        "image": IMAGE,
        "job": {"namespace": SPACE, "like": {"name": "app"}},
        "command": UP,
        "history": HISTORY,
        "timeout": 90,
        **options,
    }
    args = json.dumps({"ANSIBLE_MODULE_ARGS": {key: value for key, value in given.items() if value is not None}})
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", MODULE], env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    if process.stdin:
        process.stdin.write(args)
        process.stdin.close()
        process.stdin = None
    return process


def migrate(**options: Any) -> Obj:
    stdout, stderr = start(**options).communicate(timeout=300)
    assert stdout, stderr
    assert PASSWORD not in stdout + stderr
    return dict(json.loads(stdout))


def test_a_job_of_the_new_image_brings_the_schema_to_its_revision(client: KubeClient, tmp_path: Path) -> None:
    done = migrate(log=str(tmp_path / "notes.log"))
    assert (done["before"]["revision"], done["after"]["revision"], done["pending"]) == ("1", "2", ["2"]), done
    assert "migrated" in (tmp_path / "notes.log").read_text()
    assert [outcome(job)[0] for job in client.list(JOB, SPACE)] == ["Complete"], "the one that asked is gone"
    assert not migrate()["changed"]


def test_what_is_pending_can_be_asked_without_migrating(client: KubeClient) -> None:
    checked = migrate(state="checked")
    assert (checked["changed"], checked["pending"], checked["known"]) == (False, ["2"], True), checked
    assert sql(client, "select revision from version") == "1"


def test_check_mode_makes_no_job(client: KubeClient) -> None:
    dry = migrate(_ansible_check_mode=True)
    assert (dry["changed"], dry["known"]) == (True, False), dry
    assert client.list(JOB, SPACE) == []


def test_a_job_that_fails_says_why_and_where_the_schema_is(client: KubeClient) -> None:
    failed = migrate(command=psql("alter table missing add note text"))
    assert 'relation "missing" does not exist' in failed["msg"], failed
    assert "The schema is at 1 now" in failed["msg"]
    assert migrate()["after"]["revision"] == "2", "another attempt has a name of its own"


def test_a_job_that_ends_well_and_does_not_reach_the_revision_is_an_error() -> None:
    assert "is at 1, and not at 2" in migrate(command=["true"])["msg"]


def test_an_image_that_is_not_there_fails_long_before_the_timeout() -> None:
    failed = migrate(image="localhost/nowhere:2", history=None, to="2", timeout=240)
    assert "cannot start" in failed["msg"], "it did not wait until its time was over"
    assert "Nothing was changed" in failed["msg"]


def is_waiting(client: KubeClient) -> bool:
    """Whether the Job has begun, which waits for us."""
    return "from go" in sql(client, "select query from pg_stat_activity where pid <> pg_backend_pid()")


def locks(client: KubeClient) -> int:
    """How many runs hold the lock of a database."""
    return int(sql(client, "select count(*) from pg_locks where locktype = 'advisory'"))


def go_on(client: KubeClient) -> None:
    sql(client, "insert into go default values")


def test_a_job_whose_run_was_killed_is_waited_for_by_the_next(client: KubeClient) -> None:
    process = start(command=SLOW)
    awaited(lambda: is_waiting(client))
    process.kill()
    process.wait()
    awaited(lambda: locks(client) == 0)
    second = start(command=SLOW)
    awaited(lambda: locks(client) == 1)
    go_on(client)
    done = json.loads(second.communicate(timeout=300)[0])
    assert done["after"]["revision"] == "2", done
    assert len(client.list(JOB, SPACE)) == 1


def test_two_at_once_are_one(client: KubeClient) -> None:
    first = start(command=SLOW)
    awaited(lambda: is_waiting(client))
    second = migrate(command=SLOW)
    go_on(client)
    assert f"process {first.pid}" in second["msg"], second
    assert json.loads(first.communicate(timeout=300)[0])["changed"]


def test_a_command_runs_in_a_pod_of_the_new_image_and_in_no_other(client: KubeClient) -> None:
    pod = {"namespace": SPACE, "selector": "app=app"}
    refused = migrate(kind="command", job=None, pod=pod, image="localhost/postgres:18")
    assert "No container runs localhost/postgres:18" in refused["msg"], refused
    done = migrate(kind="command", job=None, pod=pod)
    assert done["after"]["revision"] == "2", done


def test_an_expand_that_takes_something_away_is_found_out(client: KubeClient) -> None:
    failed = migrate(command=psql("alter table orders drop id", "update version set revision = 2"))
    assert failed["lost"] == ["column id of public.orders is gone"], failed
