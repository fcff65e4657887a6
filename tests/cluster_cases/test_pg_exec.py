# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server in a pod, dumped and restored through the API server, and through Jobs beside it."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CRONJOB,
    JOB,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.readiness import is_pod_ready
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch
from ansible_collections.runbook.release.plugins.module_utils.postgres import digest
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import cron_backup, server_of
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import (
    DumpOptions,
    RestoreOptions,
    Server,
)

SPACE = "pg-exec-case"
IMAGE = "localhost/postgres:17"
PASSWORD = secrets.token_hex(12)
PATIENCE = 90.0
SOME = 1 << 20
CONTENT = """
create table readings (id bigint primary key, body text not null);
insert into readings select i, md5(i::text) || md5((-i)::text) from generate_series(1, 300000) i;
select lo_from_bytea(0, decode(repeat(md5(i::text), 500), 'hex')) from generate_series(1, 20) i;
"""
MORE_THAN_FITS_ON_THE_WAY = """
create table readings as select i, md5(i::text) || md5((-i)::text) as body from generate_series(1, 1500000) i
"""

Obj = dict[str, Any]


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)
    return found


def database_pod(name: str) -> Obj:
    container = {
        "name": "database",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["entrypoint", "-cfsync=off"],
        "env": [
            {"name": "POSTGRES_DB", "value": "shop"},
            {"name": "POSTGRES_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "pg", "key": "password"}}},
        ],
        "readinessProbe": {"exec": {"command": ["pg_isready", "--quiet", "--host=127.0.0.1"]}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
    }
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000, "runAsNonRoot": True},
            "containers": [container],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }


def start(client: KubeClient, name: str) -> None:
    client.create(POD, database_pod(name), SPACE)
    wait_for(lambda: is_pod_ready(client.get(POD, name, SPACE) or {}))


@pytest.fixture(scope="module")
def client() -> KubeClient:
    return KubeClient()


@pytest.fixture(scope="module", autouse=True)
def space(client: KubeClient) -> Iterator[None]:
    client.delete(NAMESPACE, SPACE)
    for snapshot in client.watch([Watch(NAMESPACE)], time.monotonic() + PATIENCE):
        if SPACE not in snapshot.objects[NAMESPACE]:
            break
    client.create(NAMESPACE, {"metadata": {"name": SPACE}})
    client.create(SECRET, {"metadata": {"name": "pg"}, "stringData": {"password": PASSWORD}}, SPACE)
    port = {"name": "postgresql", "port": 5432}
    client.create(SERVICE, {"metadata": {"name": "pg"}, "spec": {"selector": {"app": "pg"}, "ports": [port]}}, SPACE)
    start(client, "pg")
    with through(client, selector="app=pg") as server:
        server.run(CONTENT, "shop")
    yield
    client.delete(NAMESPACE, SPACE)


def through(client: KubeClient, **more: Any) -> Server:
    return server_of({"mode": "exec", "namespace": SPACE, "user": "postgres", "timeout": 300, **more}, client)


@pytest.fixture
def server(client: KubeClient) -> Iterator[Server]:
    with through(client, pod="pg") as made:
        yield made


def dump(server: Server, sink: Callable[[bytes], object] | None = None) -> tuple[bytes, digest.Contents]:
    archive = bytearray()

    def take(data: bytes) -> None:
        archive.extend(data)
        if sink is not None:
            sink(data)

    with server.holding_snapshot("shop") as snapshot:
        contents = digest.of(snapshot.rows)
        server.dump(DumpOptions("shop", compression=server.compression("auto")), snapshot.name, take)
    return bytes(archive), contents


def once(act: Callable[[], object]) -> Callable[[bytes], None]:
    """A sink that does something when the first megabyte has arrived."""
    arrived = 0

    def take(data: bytes) -> None:
        nonlocal arrived
        before, arrived = arrived, arrived + len(data)
        if before < SOME <= arrived:
            act()

    return take


def restored(server: Server, archive: bytes) -> digest.Contents:
    pieces = (archive[place : place + SOME] for place in range(0, len(archive), SOME))
    server.run("drop database if exists copy")
    server.run("create database copy template template0")
    server.restore("copy", pieces, RestoreOptions(bytes=len(archive)))
    with server.holding_snapshot("copy") as snapshot:
        return digest.of(snapshot.rows)


def dumping(server: Server) -> list[Obj]:
    return server.rows("select pid from pg_stat_activity where application_name like 'pg_dump%'")


def test_the_server_of_a_pod_answers_by_its_own_programs(server: Server) -> None:
    assert server.where == f"pod {SPACE}/pg (database)"
    assert server.identity().major == server.program("pg_dump").major == 17
    assert server.compression("auto") == "zstd:3"


def test_what_goes_out_and_in_through_the_api_server_is_the_same(server: Server) -> None:
    archive, contents = dump(server)
    assert len(archive) > 5 * SOME
    assert restored(server, archive) == contents


def test_an_archive_that_ends_too_early_is_no_restore(server: Server) -> None:
    archive, _contents = dump(server)
    with pytest.raises(ReleaseError, match="the archive is damaged"):
        restored(server, archive[:-5000])


def test_a_restore_that_fails_early_says_why(server: Server) -> None:
    archive, _contents = dump(server)
    with pytest.raises(ReleaseError, match='relation "readings" already exists'):
        server.restore("shop", iter([archive]), RestoreOptions(bytes=len(archive)))


def test_a_dump_nobody_reads_any_more_leaves_no_session(server: Server) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        dump(server, once(full))
    assert wait_for(lambda: not dumping(server))


def test_a_pod_that_is_deleted_during_the_dump_is_no_backup(client: KubeClient) -> None:
    def delete() -> None:
        client.delete(POD, "brief", SPACE)
        wait_for(lambda: client.get(POD, "brief", SPACE) is None)

    start(client, "brief")
    with through(client, pod="brief") as server:
        server.run(MORE_THAN_FITS_ON_THE_WAY, "shop")
        with pytest.raises(ReleaseError) as caught:
            dump(server, once(delete))
    assert caught.value.details["code"] in ("truncated", "lost", "failed")
    assert f"pod {SPACE}/brief" in str(caught.value)


def test_the_second_is_refused_and_a_killed_first_holds_nothing(client: KubeClient, server: Server) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), through(KubeClient(), pod="pg") as first, first.locked("shop"):
            os.write(writing, b"x")
            signal.pause()
        os._exit(1)
    assert os.read(reading, 1) == b"x"
    with pytest.raises(Refused, match=rf"another backup, restore or migration of shop is running: .*process {child}"):
        server.locked("shop").__enter__()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert wait_for(lambda: is_free(server))


def is_free(server: Server) -> bool:
    with contextlib.suppress(Refused), server.locked("shop"):
        return True
    return False


def test_errors_of_the_way_name_it(client: KubeClient) -> None:
    with pytest.raises(Refused, match="there is no pod none"):
        through(client, pod="none")
    with pytest.raises(Refused, match="no container wrong"):
        through(client, pod="pg", container="wrong")
    with (
        through(client, pod="pg", user="nobody") as server,
        pytest.raises(Refused, match="nobody can log in as nobody"),
    ):
        server.identity()


def test_a_job_has_the_programs_when_only_pods_reach_the_server(client: KubeClient) -> None:
    address = (client.get(SERVICE, "pg", SPACE) or {})["spec"]["clusterIP"]
    secret = {"name": "pg", "key": "password"}
    with through(client, mode="job", image=IMAGE, host=address, password_secret=secret) as server:
        archive, contents = dump(server)
        assert restored(server, archive) == contents
        job = next(job for job in client.list(JOB, SPACE) if job["metadata"]["name"] in server.where)
        assert PASSWORD not in str(job)
    name = job["metadata"]["name"]
    assert wait_for(lambda: "Complete" in conditions(client.get(JOB, name, SPACE)))


def conditions(job: Obj | None) -> list[str]:
    return [one["type"] for one in ((job or {}).get("status") or {}).get("conditions") or [] if one["status"] == "True"]


def test_a_wrong_image_of_a_job_is_told_before_its_time_is_over(client: KubeClient) -> None:
    with (
        through(client, mode="job", image="localhost/none:1", host="192.0.2.1") as server,
        pytest.raises(ReleaseError, match=r"cannot start: .*(ErrImage|ImagePull)"),
    ):
        server.identity()


@pytest.mark.parametrize(("name", "script"), [("good", "echo dumped; exit 0"), ("bad", "echo no room; exit 3")])
def test_a_cronjob_that_makes_the_backups_is_run_to_its_end(client: KubeClient, name: str, script: str) -> None:
    container = {"name": "dump", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sh", "-c", script]}
    pod = {"securityContext": {"runAsUser": 1000}, "restartPolicy": "Never", "containers": [container]}
    body = {"backoffLimit": 0, "template": {"spec": pod}}
    spec = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": body}}
    client.create(CRONJOB, {"metadata": {"name": name}, "spec": spec}, SPACE)
    option = {"mode": "job", "namespace": SPACE, "cronjob": name, "timeout": 90}
    if name == "good":
        outcome = cron_backup(option, client)
        assert outcome is not None
        assert outcome.logs == "dumped\n"
        assert "Complete" in conditions(client.get(JOB, outcome.job, SPACE))
        return
    with pytest.raises(ReleaseError, match=r"the Job bad-\w{8} failed: BackoffLimitExceeded") as caught:
        cron_backup(option, client)
    assert caught.value.details["logs"] == "no room\n"


def test_the_server_was_never_made_to_recover_by_what_we_left_in_its_container(client: KubeClient) -> None:
    """It is the first process there, and takes a process it inherits for one of its own."""
    said = client.logs("pg", SPACE, tail=10_000, limit=1 << 20)
    assert "ready to accept connections" in said
    assert "terminating any other active server processes" not in said
