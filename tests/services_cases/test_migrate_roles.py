# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles backup and migrate together, as a playbook runs them: no migration without the backup to return to."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from services.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]


class Site:
    """An inventory host with one database, its migrations and a store."""

    def __init__(self, postgres: Postgres, name: str, folder: Path) -> None:
        self.postgres, self.name, self.folder = postgres, name, folder
        self.migrations = folder / "migrations"
        self.migrations.mkdir()
        server = {"host": postgres.host, "port": postgres.port, "user": postgres.user}
        self.variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": "shop",
            "release_version": "2.0",
            "release_cluster": {"namespace": "shop"},
            "release_context": {"id": "shop-2-0", "record": str(folder / "record")},
            "release_databases": [
                {"name": name, "server": {**server, "password": postgres.password, "bindir": str(postgres.bindir)}}
            ],
            "release_backups": {"store": {"path": str(folder / "store")}, "age": "1 h"},
            "release_migrations": [self.migration("notes", "expand"), {"name": "by hand", "class": "expand"}],
        }

    def migration(self, name: str, klass: str) -> dict[str, Any]:
        return {"name": name, "class": klass, "kind": "sql", "database": self.name, "path": str(self.migrations)}

    def run(self, *roles: str, check: bool = False, **variables: Any) -> subprocess.CompletedProcess[str]:
        tasks = [{"name": role, "ansible.builtin.include_role": dict(name_of(role))} for role in roles]
        tell = {"name": "Tell", "ansible.builtin.copy": {"content": "{{ release_context | to_json }}", "mode": "0600"}}
        tell["ansible.builtin.copy"]["dest"] = str(self.folder / "context.json")
        play = [{"name": "Play", "hosts": "all", "gather_facts": False, "tasks": [*tasks, tell]}]
        (self.folder / "play.yml").write_text(json.dumps(play))
        hosts = {"all": {"hosts": {"shop": {**self.variables, **variables}}}}
        (self.folder / "hosts.json").write_text(json.dumps(hosts))
        playbook = str(Path(sys.executable).parent / "ansible-playbook")
        command = [playbook, "-i", str(self.folder / "hosts.json"), str(self.folder / "play.yml")]
        collections = os.environ.get("ANSIBLE_COLLECTIONS_PATH", str(ROOT / "build" / "collections"))
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections, "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(
            [*command, *(["--check"] if check else [])],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def context(self) -> Any:
        return json.loads((self.folder / "context.json").read_text())

    def columns(self) -> int:
        return int(
            self.postgres.sql("select count(*) from information_schema.columns where table_name = 'orders'", self.name)[
                0
            ][0]
        )


def name_of(role: str) -> Iterator[tuple[str, str]]:
    """``migrate/back`` is the tasks file of that name."""
    name, _slash, tasks = role.partition("/")
    yield "name", f"runbook.release.{name}"
    if tasks:
        yield "tasks_from", f"{tasks}.yml"


@pytest.fixture
def site(postgres15: Postgres, tmp_path: Path) -> Iterator[Site]:
    name = f"roles_{secrets.token_hex(3)}"
    postgres15.sql(f"create database {name}")
    postgres15.sql("create table orders (id int primary key); insert into orders values (1)", name)
    one = Site(postgres15, name, tmp_path)
    (one.migrations / "0001_note.sql").write_text("alter table orders add note text")
    (one.migrations / "0001_note.down.sql").write_text("alter table orders drop note")
    yield one
    for (made,) in postgres15.sql("select datname from pg_database where starts_with(datname, %s)", values=[name]):
        postgres15.sql(f'drop database "{made}" with (force)')


def test_a_database_is_backed_up_proven_migrated_and_taken_back(site: Site) -> None:
    done = site.run("backup", "migrate")
    assert done.returncode == 0, done.stdout
    assert site.postgres.password not in done.stdout + done.stderr
    context = site.context()
    assert context["backups"] == {site.name: f"shop-2-0-{site.name}"}
    assert context["migrations"]["notes"]["after"]["revision"] == "0001_note"
    assert "by hand" not in context["migrations"]
    assert (site.folder / "record" / "migrations" / "notes.log").stat().st_mode & 0o777 == 0o600
    assert site.columns() == 2
    again = site.run("backup", "migrate")
    assert again.returncode == 0, again.stdout
    assert "changed=1 " in again.stdout, "only the file this test writes"
    back = site.run("migrate/back", migrate_to={"notes": "base"})
    assert back.returncode == 0, back.stdout
    assert site.columns() == 1


def test_a_database_comes_back_as_the_backup_had_it_and_the_objectives_are_told(site: Site) -> None:
    backups = {**site.variables["release_backups"], "recovery_time": "4 h", "recovery_point": "1 h"}
    done = site.run("backup", "migrate", release_backups=backups)
    assert done.returncode == 0, done.stdout
    site.postgres.sql("insert into orders values (2, 'lost')", site.name)
    refused = site.run("restore", release_backups=backups)
    assert refused.returncode
    assert "would be gone" in refused.stdout
    assert "as it was (paused)" not in refused.stdout
    assert site.columns() == 2
    restored = site.run("restore", release_backups=backups, restore_accept_data_loss=True)
    assert restored.returncode == 0, restored.stdout
    assert site.columns() == 1
    assert site.postgres.sql("select count(*) from orders", site.name) == [(1,)]
    reached = site.context()["restored"]
    assert reached["kept"] is True
    assert "objective 4 h: kept" in reached["sentence"]
    assert reached["databases"][site.name]["replaced"]


@pytest.fixture
def forbidding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An API server that forbids everything; what it was asked for."""
    heard: list[str] = []

    class Forbidding(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.path)
            said = json.dumps({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}).encode()
            self.send_response(403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_said: object) -> None:
            """The test says what it needs to."""

    with HTTPServer(("127.0.0.1", 0), Forbidding) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        way = {
            "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "it", "user": {"token": "of nobody"}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(way))
        monkeypatch.setenv("K8S_AUTH_KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield heard
        server.shutdown()
        thread.join()


def test_a_server_that_only_a_job_reaches_is_asked_before_its_database_is_restored(
    site: Site, forbidding: list[str]
) -> None:
    server = {"mode": "job", "namespace": "shop", "image": "postgres:15", "host": "db"}
    done = site.run("restore", release_databases=[{"name": site.name, "server": server}])
    assert done.returncode
    assert forbidding == ["/apis/batch/v1/namespaces/shop/jobs?fieldManager=runbook.release"], "no dry run"


def test_a_system_of_which_nothing_is_in_a_store_is_not_called_restored(site: Site) -> None:
    done = site.run("restore", release_backups={})
    assert done.returncode
    assert f"Of the databases of shop none has a store with backups: {site.name} is left out." in done.stdout
    assert "as it was (paused)" not in done.stdout


def test_a_second_restore_from_the_same_backup_has_to_be_meant(site: Site) -> None:
    began = time.time()
    assert site.run("backup", "restore", restore_accept_data_loss=True, restore_safety_backup=False).returncode == 0
    site.postgres.sql("insert into orders values (2)", site.name)
    again = {"restore_accept_data_loss": True, "restore_safety_backup": False}
    refused, refused_at = site.run("restore", **again), time.time()
    assert refused.returncode
    assert f"{site.name} was restored from backup shop-2-0-{site.name} before this restore began" in refused.stdout
    assert "as it was (paused)" not in refused.stdout
    interrupted = {**site.variables["release_context"], "began": began}
    assert site.run("restore", release_context=interrupted, **again).returncode == 0
    reached = site.context()["restored"]
    assert reached["rto"] > refused_at - began, "an interrupted recovery is as long as all of its runs"
    assert reached["rpo"] > 0
    assert site.postgres.sql("select count(*) from orders", site.name) == [(2,)]
    assert site.run("restore", restore_again=True, **again).returncode == 0
    assert site.postgres.sql("select count(*) from orders", site.name) == [(1,)]


def test_nothing_is_migrated_without_a_backup_of_this_release(site: Site) -> None:
    done = site.run("migrate")
    assert done.returncode
    assert "has something pending and no backup of this release" in done.stdout
    assert site.columns() == 1


def test_a_migration_of_a_database_that_nobody_declared_is_named(site: Site) -> None:
    nowhere = {**site.migration("notes", "expand"), "database": "elsewhere"}
    done = site.run("migrate", release_migrations=[nowhere])
    assert done.returncode
    assert "is elsewhere, which release_databases does not have" in done.stdout


def test_what_is_refused_is_refused_before_the_first_migration_runs(site: Site) -> None:
    (site.folder / "other").mkdir()
    last = {**site.migration("missing", "expand"), "path": str(site.folder / "nowhere")}
    done = site.run("backup", "migrate", release_migrations=[site.migration("notes", "expand"), last])
    assert done.returncode
    assert "There is no folder with migrations" in done.stdout
    assert site.columns() == 1


def test_after_a_migration_that_failed_no_other_one_runs(site: Site) -> None:
    (site.folder / "wrong").mkdir()
    (site.folder / "wrong" / "0001_wrong.sql").write_text("alter table nowhere add note text")
    wrong = {**site.migration("wrong", "expand"), "path": str(site.folder / "wrong")}
    done = site.run("backup", "migrate", release_migrations=[wrong, site.migration("notes", "expand")])
    assert done.returncode
    assert 'relation "nowhere" does not exist' in done.stdout
    assert site.columns() == 1


def test_after_a_restore_that_failed_no_other_one_runs_and_what_was_replaced_is_named(site: Site) -> None:
    names = [f"{site.name}_{number}" for number in range(3)]
    server = site.variables["release_databases"][0]["server"]
    for name in names:
        site.postgres.sql(f"create database {name}")
    variables = {"release_databases": [{"name": name, "server": server} for name in names]}
    assert site.run("backup", **variables).returncode == 0
    archive = site.folder / "store" / f"shop-2-0-{names[1]}" / "data.dump"
    content = bytearray(archive.read_bytes())
    content[-1] ^= 1
    archive.write_bytes(content)
    done = site.run("restore", **variables, restore_accept_data_loss=True, restore_safety_backup=False)
    assert done.returncode
    assert f"Replaced already: {names[0]}, which was kept as {names[0]}__replaced_" in done.stdout
    kept = site.postgres.sql(
        "select datname from pg_database where datname ~ %s", values=[f"^{site.name}.*__replaced_"]
    )
    assert [name.partition("__")[0] for (name,) in kept] == names[:1]


def test_check_mode_changes_neither_store_nor_schema(site: Site) -> None:
    done = site.run("backup", "migrate", check=True)
    assert done.returncode == 0, done.stdout
    assert site.columns() == 1
    assert not list((site.folder / "store").glob("shop-2-0*"))
