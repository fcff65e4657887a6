# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules pg_backup and pg_backup_info with real servers and real stores."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.postgres.store import local
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.reach import store_of
from ansible_collections.runbook.release.plugins.modules import pg_backup, pg_backup_info
from services.backups import reached
from services.packages import require
from services.postgres import Postgres
from services.s3 import S3

from .conftest import Database

Run = Callable[..., dict[str, Any]]
TESTS = Path(__file__).resolve().parents[1]
MIDDLING = "create table big as select i, repeat(md5(i::text), 30) as body from generate_series(1, 40000) i"


def server(postgres: Postgres, **more: Any) -> dict[str, Any]:
    login = {"host": postgres.host, "port": postgres.port, "user": postgres.user, "password": postgres.password}
    return {**login, "bindir": str(postgres.bindir), **more}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_module(module: Any = pg_backup, **options: Any) -> dict[str, Any]:
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        return dict(json.loads(capsys.readouterr().out))

    return run_module


@pytest.fixture
def options(database: Database, tmp_path: Path) -> dict[str, Any]:
    """What every call has: one database, one local store."""
    return {
        "database": database.name,
        "id": "shop-1",
        "server": server(database.server),
        "store": {"path": str(tmp_path / "backups")},
    }


@pytest.fixture
def store(options: dict[str, Any]) -> LocalStore:
    return LocalStore(options["store"]["path"])


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A recipient, and the file with its private key."""
    require("age", "age")
    path = tmp_path_factory.mktemp("age") / "key.txt"
    subprocess.run(["age-keygen", "-o", str(path)], check=True, capture_output=True)
    found = re.search(r"public key: (age1\S+)", path.read_text())
    assert found
    return found[1], path


def nothing_left(store: LocalStore) -> bool:
    path = Path(store.where)
    return [*(path / ".drafts").iterdir()] == [] and {entry.name for entry in path.iterdir()} <= {".drafts", ".lock"}


def test_a_backup_is_made_and_proven_by_a_restore(run: Run, options: dict[str, Any], database: Database) -> None:
    result = run(**options, release="shop-prod-1")
    assert (result["changed"], result["taken"], result["id"]) == (True, True, "shop-1")
    made = result["backup"]
    assert (made["level"], made["proof"]["holds"], made["release"]) == ("restore", True, "shop-prod-1")
    assert made["rows"] > 18_000
    assert made["server"]["major"] == 15
    assert made["phases"].keys() == {"dump", "schema", "contents"}
    scratch = database.server.sql("select datname from pg_database where datname like 'runbook_scratch%'")
    assert scratch == []


def test_made_again_it_is_the_same_backup(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    first = run(**options)
    before = (Path(store.where) / "shop-1" / "manifest.json").read_bytes()
    second = run(**options)
    assert (second["changed"], second["taken"], second["plan"]) == (False, False, [])
    assert second["backup"]["proof"]["at"] == first["backup"]["proof"]["at"]
    assert (Path(store.where) / "shop-1" / "manifest.json").read_bytes() == before


def test_check_mode_says_what_it_would_do_and_writes_nothing(
    run: Run, options: dict[str, Any], store: LocalStore
) -> None:
    result = run(**options, _ansible_check_mode=True, _ansible_diff=True)
    name = options["database"]
    assert result["changed"]
    assert result["plan"] == [f"dump {name} as backup shop-1", "prove backup shop-1 to level restore"]
    assert result["diff"] == {"before": "", "after": "shop-1: level restore\n"}
    assert not Path(store.where).exists()


def test_check_mode_tells_that_it_could_not(run: Run, options: dict[str, Any]) -> None:
    result = run(**{**options, "compression": "brotli"}, _ansible_check_mode=True)
    assert result["failed"]
    assert "brotli" in result["msg"]


def test_no_secret_is_in_the_result_or_the_store(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    result = run(**options, proof="checksum")
    secret = options["server"]["password"]
    assert secret not in json.dumps({name: value for name, value in result.items() if name != "invocation"})
    assert secret.encode() not in (Path(store.where) / "shop-1" / "manifest.json").read_bytes()


def test_a_directory_is_dumped_by_several_jobs(
    run: Run, options: dict[str, Any], database_other: Database, store: LocalStore
) -> None:
    given = {**options, "database": database_other.name, "server": server(database_other.server)}
    result = run(**given, format="directory", jobs=2)
    assert (result["backup"]["level"], result["backup"]["compression"]) == ("restore", "zstd:3")
    assert result["backup"]["files"] > 5
    assert "data/toc.dat" in {file.name for file in store.the("shop-1").files}


def test_a_backup_in_a_bucket_is_proven_by_a_restore(run: Run, options: dict[str, Any], s3: S3) -> None:
    given = {**options, "store": s3.store(s3.bucket(), prefix="shop")}
    assert run(**given)["backup"]["level"] == "restore"
    assert run(**given)["changed"] is False
    listed = run(pg_backup_info, store=given["store"])
    assert [one["id"] for one in listed["backups"]] == ["shop-1"]


@pytest.mark.parametrize("place", ["local", "s3"])
def test_an_encrypted_backup_is_proven_with_the_key_alone(
    run: Run, options: dict[str, Any], key: tuple[str, Path], s3: S3, place: str
) -> None:
    given = options if place == "local" else {**options, "store": s3.store(s3.bucket())}
    recipient, file = key
    result = run(**given, encryption={"recipients": [recipient], "identity_file": str(file)})
    assert (result["backup"]["encryption"], result["backup"]["level"]) == ("age", "restore")
    stored = store_of({"path": None, "s3": None, **given["store"]})
    assert next(stored.read("shop-1", "data.dump.age")).startswith(b"age-encryption.org")
    wrong = run(**{**given, "state": "verified", "proof": "full"})
    assert "backup shop-1 is encrypted" in wrong["msg"]
    assert "give encryption.identity_file" in wrong["msg"]


def test_a_backup_nobody_here_can_decrypt_is_not_called_proven(
    run: Run, options: dict[str, Any], key: tuple[str, Path], store: LocalStore
) -> None:
    refused = run(**options, encryption={"recipients": [key[0]]})
    assert "a backup that nobody can decrypt is not proven" in refused["msg"]
    assert not Path(store.where).exists()
    made = run(**options, encryption={"recipients": [key[0]]}, proof="checksum")
    assert made["backup"]["level"] == "checksum"


def test_a_recipient_age_does_not_know_is_refused_before_the_dump(
    run: Run, options: dict[str, Any], store: LocalStore
) -> None:
    result = run(**options, encryption={"recipients": ["age1nonsense"]}, proof="checksum")
    assert "age ended with 1" in result["msg"]
    assert store.backups() == []


def test_a_backup_of_another_system_under_this_id_is_refused_naming_both(
    run: Run, options: dict[str, Any], database: Database, database_other: Database
) -> None:
    run(**options, proof="checksum")
    other = {**options, "database": database_other.name, "server": server(database_other.server)}
    result = run(**other)
    systems = [reached(one.server).identity().system for one in (database, database_other)]
    assert f"of database {database.name} of system {systems[0]}" in result["msg"]
    assert f"database {database_other.name} of system {systems[1]}" in result["msg"]


def test_the_second_of_two_at_once_is_told_of_the_first(
    run: Run, options: dict[str, Any], database: Database, store: LocalStore
) -> None:
    with reached(database.server) as first, first.locked(database.name):
        result = run(**options)
    assert f"another backup, restore or migration of {database.name} is running: runbook.release" in result["msg"]
    assert "pid" in result["msg"]
    assert store.backups() == []


def test_a_young_backup_will_do_and_an_old_one_will_not(run: Run, options: dict[str, Any]) -> None:
    run(**options, proof="checksum")
    again = {**options, "id": "shop-2", "proof": "checksum"}
    assert run(**again, if_younger_than="1 h")["id"] == "shop-1"
    assert run(**again, if_younger_than="0 s")["id"] == "shop-2"


def test_a_bit_that_flipped_is_found_told_and_remembered(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    run(**options)
    archive = Path(store.where) / "shop-1" / "data.dump"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    result = run(**{**options, "state": "verified", "proof": "full"})
    assert result["failed"]
    assert "backup shop-1 is not good" in result["msg"]
    assert [one["name"] for one in result["failed_checks"]] == ["sha256 of data.dump"]
    listed = run(pg_backup_info, store=options["store"], recovery_point="1 h")
    assert listed["backups"][0]["level"] == "none"
    assert listed["recovery"]["sentence"] == "there is no backup, a loss of at most 1 h is allowed"


def test_the_newest_is_verified_and_only_when_its_proof_is_too_weak_or_old(run: Run, options: dict[str, Any]) -> None:
    run(**options, proof="checksum")
    run(**{**options, "id": "shop-2"}, proof="checksum")
    verify = {**{name: value for name, value in options.items() if name != "id"}, "state": "verified"}
    first = run(**verify)
    assert (first["changed"], first["id"], first["backup"]["level"]) == (True, "shop-2", "restore")
    assert run(**verify, proof_within="1 h")["changed"] is False
    again = run(**verify, proof_within="0 s")
    assert again["backup"]["proof"]["at"] > first["backup"]["proof"]["at"]


def test_a_weaker_proof_does_not_replace_a_stronger_one(run: Run, options: dict[str, Any]) -> None:
    strong = run(**options)
    weak = run(**{**options, "state": "verified"}, proof="checksum", proof_within="0 s")
    assert (weak["changed"], weak["backup"]["proof"]) == (
        False,
        {**strong["backup"]["proof"], "age": weak["backup"]["proof"]["age"]},
    )


def test_there_is_nothing_to_verify(run: Run, options: dict[str, Any]) -> None:
    assert "there is no backup shop-1 to verify" in run(**{**options, "state": "verified"})["msg"]


def test_a_policy_cannot_delete_everything(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    for number in range(4):
        run(**{**options, "id": f"shop-{number}"}, proof="restore" if number == 0 else "checksum")
    prune = {"state": "pruned", "database": options["database"], "store": options["store"], "keep": {"within": "0 s"}}
    planned = run(**prune, _ansible_check_mode=True)
    assert (planned["changed"], len(store.backups())) == (True, 4)
    result = run(**prune)
    assert result["deleted"] == ["shop-1"]
    assert [one.id for one in store.backups()] == ["shop-0", "shop-2", "shop-3"]
    assert {one["id"]: one["why"] for one in result["kept"]}["shop-0"] == "the newest proven"
    assert run(**prune)["changed"] is False


def test_a_locked_backup_is_reported_as_retained(run: Run, options: dict[str, Any], s3: S3) -> None:
    place = s3.store(s3.bucket(lock=True), object_lock_days=3)
    for number in range(3):
        run(**{**options, "id": f"shop-{number}", "store": place}, proof="checksum")
    prune = {"state": "pruned", "database": options["database"], "store": place}
    result = run(**prune, keep={"last": 1, "min_valid": 1})
    assert (result["changed"], result["deleted"], result["retained"]) == (False, [], ["shop-1", "shop-0"])


def test_a_pinned_backup_stays(run: Run, options: dict[str, Any], store: LocalStore) -> None:
    run(**options, proof="checksum")
    pinned = run(**options, proof="checksum", pin="the audit", _ansible_diff=True)
    assert pinned["changed"]
    assert pinned["diff"]["after"] == "shop-1: level checksum, pinned: the audit\n"
    assert run(**options, proof="checksum", pin="the audit")["changed"] is False
    for number in (2, 3):
        run(**{**options, "id": f"shop-{number}"}, proof="checksum")
    prune = {"state": "pruned", "database": options["database"], "store": options["store"]}
    run(**prune, keep={"last": 1, "min_valid": 1})
    assert [one.id for one in store.backups()] == ["shop-1", "shop-3"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"port": 1}, "127.0.0.1:1"),
        ({"user": "nobody"}, "nobody"),
    ],
)
def test_a_server_that_lets_nobody_in_is_an_error_that_says_so(
    run: Run, options: dict[str, Any], store: LocalStore, wrong: dict[str, Any], said: str
) -> None:
    result = run(**{**options, "server": {**options["server"], **wrong}})
    assert said in result["msg"]
    assert not Path(store.where).exists()


def test_a_database_that_is_not_there_is_an_error_that_says_so(
    run: Run, options: dict[str, Any], store: LocalStore
) -> None:
    assert "nowhere" in run(**{**options, "database": "nowhere"})["msg"]
    assert store.backups() == []


@pytest.fixture
def reader(database: Database) -> Iterator[dict[str, Any]]:
    """Somebody who may read all tables."""
    name, secret = f"reader_{database.name}", "reader"
    database.sql(f"create role {name} login password '{secret}' in role pg_read_all_data")
    yield {"user": name, "password": secret}
    database.sql(f"drop owned by {name}; drop role {name}")


def test_what_cannot_be_read_is_told_with_the_grant_before_anything_is_dumped(
    run: Run, options: dict[str, Any], database: Database, reader: dict[str, Any], store: LocalStore
) -> None:
    database.sql("create table secrets (who text); alter table secrets enable row level security")
    result = run(**{**options, "server": {**options["server"], **reader}})
    assert "row-level security hides rows" in result["msg"]
    assert "GRANT SELECT ON LARGE OBJECT" in result["msg"]
    assert store.backups() == []


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
    given = {**options, "database": middling(postgres), "server": server(postgres), "compression": "none"}
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
    given = {**options, "database": middling(postgres), "server": server(postgres), "compression": "none"}
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


def test_what_would_be_lost_and_what_is_proven_is_told(run: Run, options: dict[str, Any]) -> None:
    run(**options)
    listed = run(
        pg_backup_info,
        database=options["database"],
        store=options["store"],
        server=options["server"],
        recovery_point="1 h",
        proof_within="7 d",
    )
    assert (listed["recovery"]["holds"], listed["proven"]["holds"]) == (True, True)
    assert re.fullmatch(r"backup shop-1 is \S+ (s|min) old, at most 1 h is allowed", listed["recovery"]["sentence"])
    assert (listed["running"], listed["broken"], listed["changed"]) == ([], [], False)
    assert listed["bytes"] == listed["backups"][0]["bytes"]
    none = run(pg_backup_info, store=options["store"], system="42", recovery_point="1 h")
    assert (none["backups"], none["recovery"]["holds"], none["proven"]["holds"]) == ([], False, False)


def test_a_dump_that_is_running_is_told(run: Run, options: dict[str, Any], database: Database) -> None:
    with contextlib.closing(database.server.connect(database.name, application_name="pg_dump")) as dump:
        found = run(pg_backup_info, database=database.name, server=options["server"])["running"]
        assert [(one["program"], one["database"], one["user"]) for one in found] == [
            ("pg_dump", database.name, database.server.user)
        ]
        assert found[0]["pid"] == dump.info.backend_pid
        assert run(pg_backup_info, database="other", server=options["server"])["running"] == []


def test_a_manifest_of_a_newer_schema_is_told_and_not_touched(
    run: Run, options: dict[str, Any], store: LocalStore
) -> None:
    run(**options, proof="checksum")
    path = Path(store.where) / "shop-1" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    assert "schema 99" in run(**options)["msg"]
    listed = run(pg_backup_info, store=options["store"])
    assert listed["broken"] == [{"id": "shop-1", "why": "this is no manifest of schema 1: schema 99"}]
