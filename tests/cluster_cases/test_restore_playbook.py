# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that restores is an operation like a release: in the index, sealed, told, and continued when killed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import DEPLOYMENT, NAMESPACE
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify
from ansible_collections.runbook.release.plugins.module_utils.postgres import decide
from ansible_collections.runbook.release.plugins.module_utils.postgres.operate import operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.module_utils.release.ending import End, end
from ansible_collections.runbook.release.plugins.module_utils.release.operate import Begin, begin
from ansible_collections.runbook.release.plugins.module_utils.release.resume import Want
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.backups import reached
from services.postgres import Postgres

SPACE = "restore-playbook-case"
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
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


class Site:
    """An inventory host with one database, its backup and a workload that writes."""

    def __init__(self, client: KubeClient, postgres: Postgres, folder: Path) -> None:
        self.client, self.postgres, self.folder = client, postgres, folder
        self.system = f"shop-{secrets.token_hex(3)}"
        self.lease = f"{self.system}-test"
        self.database = self.system.replace("-", "_")
        self.record = folder / "record"
        key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f", str(key)], check=True)
        login = {"host": postgres.host, "port": postgres.port, "user": postgres.user, "password": postgres.password}
        self.variables: Obj = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": self.system,
            "release_environment": "test",
            "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": SPACE},
            "release_record": str(self.record),
            "release_signing_key": str(key),
            "release_backups": {"store": {"path": str(folder / "store")}},
            "release_databases": [
                {
                    "name": self.database,
                    "server": {**login, "bindir": str(postgres.bindir)},
                    "writers": {"workloads": [{"name": self.system}]},
                }
            ],
            "restore_safety_backup": False,
        }

    def command(self, playbook: str = "restore.yml", **more: Any) -> list[str]:
        hosts = {"all": {"hosts": {"shop": {**self.variables, **more}}}}
        (self.folder / "hosts.json").write_text(json.dumps(hosts))
        ansible = str(Path(sys.executable).parent / "ansible-playbook")
        return [ansible, "-i", str(self.folder / "hosts.json"), str(ROOT / "playbooks" / playbook)]

    def rehearse(self, **objectives: str) -> subprocess.CompletedProcess[str]:
        backups = {**self.variables["release_backups"], **objectives}
        command = self.command("drill.yml", release_backups=backups)
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def restore(self, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(**more), cwd=ROOT, capture_output=True, text=True, check=False)

    def known(self) -> Obj:
        return tell(self.client, SPACE, self.lease)

    def said(self, release: str) -> list[str]:
        texts = Store(self.client, SPACE, release).texts()
        assert verify(release, texts) == []
        return [Entry.parse(text).what for text in texts]

    def rows(self) -> int:
        return int(self.postgres.sql("select count(*) from orders", self.database)[0][0])

    def proven_at(self) -> str:
        """When the newest backup was last restored to prove it; ISO 8601, empty if never."""
        (manifest,) = LocalStore(str(self.folder / "store")).backups()
        return manifest.proof.at.isoformat() if manifest.proof else ""

    def replicas(self) -> int:
        return int((self.client.get(DEPLOYMENT, self.system, SPACE) or {})["spec"]["replicas"])


@pytest.fixture
def site(client: KubeClient, postgres: Postgres, tmp_path: Path) -> Iterator[Site]:
    one = Site(client, postgres, tmp_path)
    postgres.sql(f"create database {one.database}")
    postgres.sql("create table orders (id int primary key); insert into orders values (1)", one.database)
    with reached(postgres) as server:
        operate(LocalStore(str(tmp_path / "store")), server, decide.Request(decide.PRESENT, one.database, "shop-1"))
    postgres.sql("insert into orders values (2)", one.database)
    labels = {"app": one.system}
    pod = {"containers": [{"name": "app", "image": "localhost/podinfo:6.9.2"}], "terminationGracePeriodSeconds": 0}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    client.create(DEPLOYMENT, {"metadata": {"name": one.system}, "spec": spec}, SPACE)
    yield one
    client.delete(DEPLOYMENT, one.system, SPACE)
    for (name,) in postgres.sql(
        "select datname from pg_database where starts_with(datname, %s)", values=[one.database]
    ):
        postgres.sql(f'drop database "{name}" with (force)')


def test_a_restore_is_in_the_index_sealed_exported_and_its_head_is_told(site: Site) -> None:
    refused = site.restore()
    assert refused.returncode
    assert "would be gone" in refused.stdout
    assert site.known()["releases"] == [], "what is refused before it begins leaves nothing"
    done = site.restore(restore_accept_data_loss=True)
    assert done.returncode == 0, done.stdout
    assert site.postgres.password not in done.stdout + done.stderr
    assert (site.rows(), site.replicas()) == (1, 1)
    (one,) = site.known()["releases"]
    assert (one["kind"], one["version"], one["verdict"], one["number"]) == ("restore", "", "restored", 1)
    steps = [f"pause restore-{site.system}", f"restore {site.database}", f"resume restore-{site.system}"]
    moments = [f"{step}: {moment}" for step in steps for moment in ("begins", "done")]
    assert site.said(one["release"]) == ["release begins", *moments, "release ends", "sealed"]
    folder = site.record / site.system / one["release"]
    record = json.loads((folder / "record.json").read_text())
    assert (record["verdict"], record["backups"]) == ("restored", {site.database: "shop-1"})
    assert record["head"]["sha256"] == one["head"]["sha256"]
    assert "signed." in record["sentence"]
    assert site.postgres.password not in (folder / "record.json").read_text()
    assert folder.with_name(f"{folder.name}.tar.gz").exists()
    assert (folder / "record.json").stat().st_mode & 0o777 == 0o600
    assert site.known()["owner"] == {}


def test_a_restore_that_was_killed_is_gone_on_with_and_nothing_else_begins_before(site: Site) -> None:
    with (site.folder / "said").open("w") as output:
        run = subprocess.Popen(
            site.command(restore_accept_data_loss=True), cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
        deadline = time.monotonic() + PATIENCE
        while site.known()["unfinished"].get("at", "") == "" or site.replicas():
            assert run.poll() is None, (site.folder / "said").read_text()
            assert time.monotonic() < deadline, "it never paused anything"
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert site.replicas() == 0
    began = site.known()["unfinished"]["release"]
    release = Begin(SPACE, site.lease, "alice@a", Want("1.4.0"), takeover=True, reason="that machine is dead")
    with pytest.raises(Exception, match=r"1\.4\.0 has to wait for it\. .*Do: run restore\.yml"):
        begin(site.client, release)
    more = {"release_takeover": True, "release_reason": "that machine is dead"}
    done = site.restore(restore_accept_data_loss=True, **more)
    assert done.returncode == 0, done.stdout
    assert "it continues" in done.stdout
    assert (site.rows(), site.replicas()) == (1, 1)
    assert [(one["release"], one["verdict"]) for one in site.known()["releases"]] == [(began, "restored")]


def test_a_restore_that_cannot_be_done_ends_with_the_reason_and_what_wrote_is_back(site: Site) -> None:
    archive = next((site.folder / "store").glob("shop-1/data.dump"))
    content = bytearray(archive.read_bytes())
    content[-1] ^= 1
    archive.write_bytes(content)
    done = site.restore(restore_accept_data_loss=True, restore_backups={site.database: "shop-1"})
    assert done.returncode
    (one,) = site.known()["releases"]
    assert (one["kind"], one["verdict"]) == ("restore", "failed")
    assert (site.rows(), site.replicas()) == (2, 1)
    assert site.known()["holds"] == []
    run = Run(**begin(site.client, Begin(SPACE, site.lease, "alice@a", Want("1.4.0")))["run"])
    end(site.client, run, End("stopped"))


def test_a_rehearsal_restores_each_time_beside_the_database_and_misses_no_objective_in_silence(site: Site) -> None:
    in_time = site.rehearse(recovery_time="4 h", recovery_point="1 h")
    assert in_time.returncode == 0, in_time.stdout
    assert "(objective 4 h: kept)" in in_time.stdout
    first = site.proven_at()
    assert first
    late = site.rehearse(recovery_time="4 h", recovery_point="0 s")
    assert late.returncode == 2
    assert "of writes lost (objective 0 s: MISSED)" in late.stdout
    assert site.proven_at() > first
    assert (site.rows(), site.replicas()) == (2, 1)
    known = site.known()["releases"]
    assert [(one["kind"], one["verdict"]) for one in known] == [("tasks", "done"), ("tasks", "failed")]
    for one, kept in zip(known, (True, False), strict=True):
        record = json.loads((site.record / site.system / one["release"] / "record.json").read_text())
        found = record["tasks"][0]["found"]
        assert (found["kept"], found["databases"][site.database]["backup"]) == (kept, "shop-1")
        assert found["databases"][site.database]["rto"] <= found["rto"]
        assert {"task recovery drill: begins", "sealed"} <= {*site.said(one["release"])}
        assert "of writes lost" in record["sentence"]
