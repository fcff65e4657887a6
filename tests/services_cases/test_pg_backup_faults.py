# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens in the middle of a run of pg_backup: no half backup, and the next run makes a whole one."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.postgres.store import local
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from services.backups import option_of
from services.postgres import Postgres
from services.s3 import S3
from services_cases.backing_up import Run, nothing_left
from services_cases.conftest import Database

TESTS = Path(__file__).resolve().parents[1]
MIDDLING = "create table big as select i, repeat(md5(i::text), 30) as body from generate_series(1, 40000) i"
CHILD = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.postgres.store import local
from ansible_collections.runbook.release.plugins.modules import pg_backup
given = json.loads(sys.stdin.read())
kill_at = int(sys.argv[2])
write, seen = local.LocalSink.write, [0]
def counted(sink, piece):
    seen[0] += 1
    if seen[0] == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    write(sink, piece)
local.LocalSink.write = counted
with patch_module_args(given):
    try:
        pg_backup.main()
    finally:
        for line in open("/proc/self/status"):
            if line.startswith("VmHWM"):
                print(line.split()[1], file=sys.stderr)
"""


def middling(postgres: Postgres) -> str:
    """A database of which an uncompressed dump has some 40 pieces."""
    postgres.sql("create database shop")
    postgres.sql(MIDDLING, "shop")
    return "shop"


def at_piece(number: int, act: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Something happens while the dump is on its way into the store."""
    write, seen = local.LocalSink.write, [0]

    def counted(sink: local.LocalSink, piece: bytes) -> None:
        seen[0] += 1
        if seen[0] == number:
            act()
        write(sink, piece)

    monkeypatch.setattr(local.LocalSink, "write", counted)


def test_a_server_that_crashes_mid_dump_leaves_no_backup_and_the_next_run_makes_one(
    run: Run,
    own_postgres: Callable[..., Postgres],
    options: dict[str, Any],
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    postgres = own_postgres()
    given = {**options, "database": middling(postgres), "server": option_of(postgres), "compression": "none"}
    with monkeypatch.context() as patched:
        at_piece(5, postgres.kill, patched)
        result = run(**given, proof="checksum")
    assert result["failed"]
    assert nothing_left(store)
    postgres.run()
    assert run(**given, proof="restore")["backup"]["level"] == "restore"


def test_a_session_ended_by_an_administrator_mid_dump_leaves_no_backup(
    run: Run, options: dict[str, Any], large: Database, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**options, "database": large.name, "compression": "none"}
    end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pg_dump%'"
    at_piece(5, lambda: large.server.sql(end), monkeypatch)
    result = run(**given, proof="checksum")
    assert "the dump of large" in result["msg"]
    assert nothing_left(store)


def test_a_snapshot_that_is_lost_during_the_dump_leaves_no_backup(
    run: Run, options: dict[str, Any], large: Database, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**options, "database": large.name, "compression": "none"}
    end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'runbook.release%'"
    at_piece(2, lambda: large.server.sql(f"{end} and datname = '{large.name}'"), monkeypatch)
    assert run(**given, proof="checksum")["failed"]
    assert nothing_left(store)


def test_a_table_is_truncated_only_after_its_rows_were_counted(
    run: Run, options: dict[str, Any], own_postgres: Callable[..., Postgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits behind the dump, and would come before whoever reads the table next."""
    postgres = own_postgres()
    given = {**options, "database": middling(postgres), "server": option_of(postgres), "compression": "none"}
    waiting = threading.Thread(target=lambda: postgres.sql("truncate big", "shop"))
    at_piece(2, waiting.start, monkeypatch)
    result = run(**given)
    waiting.join()
    assert (result["backup"]["rows"], result["backup"]["proof"]["holds"]) == (40_000, True)
    assert postgres.sql("select count(*) from big", "shop") == [(0,)]


def test_a_table_that_somebody_has_locked_is_waited_for_as_long_as_allowed(
    run: Run, options: dict[str, Any], database: Database, store: LocalStore
) -> None:
    with contextlib.closing(database.server.connect(database.name)) as holder:
        holder.autocommit = False
        holder.cursor().execute("lock table shop.orders in access exclusive mode")
        result = run(**options, lock_timeout=1)
    assert "another session holds a lock on a table" in result["msg"]
    assert nothing_left(store)


def child(given: dict[str, Any], kill_at: int = 0, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", CHILD, str(TESTS), str(kill_at)]
    return subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("piece", [1, 20])
def test_a_killed_module_leaves_no_backup_and_the_next_run_sweeps(
    run: Run, options: dict[str, Any], large: Database, store: LocalStore, piece: int
) -> None:
    given = {**options, "database": large.name, "compression": "none", "proof": "checksum"}
    assert child(given, piece).returncode == -signal.SIGKILL
    assert (store.backups(), store.broken()) == ([], [])
    assert [*(Path(store.where) / ".drafts").iterdir()] != []
    result = run(**given)
    assert result["backup"]["level"] == "checksum"
    assert len(result["swept"]) == 1


def test_a_full_disk_leaves_the_earlier_backups_and_nothing_else(
    options: dict[str, Any], large: Database, tmp_path: Path
) -> None:
    """The file system is this process's own, and holds a small backup but not a large one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    given = {**options, "store": {"path": str(disk / "backups")}, "proof": "checksum", "compression": "none"}
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(json.dumps(given))
    second.write_text(json.dumps({**given, "id": "large-1", "database": large.name}))
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    python = f"{sys.executable} {script} {TESTS} 0"
    steps = (
        f"mount -t tmpfs -o size=24m none {disk} && {python} < {first} && ! {python} < {second} && find {disk} -type f"
    )
    done = subprocess.run(["unshare", "--mount", "sh", "-c", steps], capture_output=True, text=True, check=False)
    made, failed, *files = filter(None, done.stdout.splitlines())
    assert json.loads(made)["changed"], made
    said = json.loads(failed)["msg"]
    assert "No space left on device" in said
    assert "make room there" in said
    assert sorted(Path(file).name for file in files) == [".lock", "data.dump", "manifest.json"]


def test_it_takes_no_more_memory_for_a_large_database(
    options: dict[str, Any], database: Database, large: Database, s3: S3
) -> None:
    def peak(id: str, name: str, place: dict[str, Any]) -> float:
        more = {"compression": "none", "proof": "checksum", "store": place, "database": name, "id": id}
        done = child({**options, **more})
        assert done.returncode == 0, done.stdout + done.stderr
        return int(done.stderr.split()[-1]) / 1024

    bucket = s3.store(s3.bucket())
    for place in (options["store"], dict(bucket)):
        small, big = peak("small", database.name, place), peak("big", large.name, place)
        print(f"{small:.0f} MiB, {big:.0f} MiB")
        assert big < 80
