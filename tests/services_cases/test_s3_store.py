# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a real S3-compatible server."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import FileEntry, Manifest, Proof
from ansible_collections.runbook.release.plugins.module_utils.postgres.store import claim
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.base import Absent, Damaged
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.bucket import Bucket
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.part import Part
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.reach import store_of
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.s3 import S3Store
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.s3_draft import S3Draft
from services.s3 import S3

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MIB = 1 << 20
LONG = os.urandom(MIB) * 37 + b"tail"


@pytest.fixture
def bucket(s3: S3) -> str:
    return s3.bucket()


@pytest.fixture
def store(s3: S3, bucket: str) -> S3Store:
    return opened(s3, bucket)


def opened(s3: S3, bucket: str, **more: Any) -> S3Store:
    found = store_of(s3.store(bucket, **{"prefix": "prod/shop", **more}))
    assert isinstance(found, S3Store)
    return found


def manifest(id: str, *files: FileEntry, age: timedelta = timedelta(hours=1)) -> Manifest:
    made = NOW - age
    server = {"system": "7301", "version": 150020, "major": 15, "cluster_name": ""}
    return Manifest(id, "shop", "", "custom", "zstd:3", made, made, server, "15.20", files, {"plpgsql": "1.0"})


def kept(store: S3Store, id: str = "shop-1", content: bytes = b"archive", **more: Any) -> Manifest:
    with store.draft(id) as draft:
        sink = draft.sink("data.dump")
        for start in range(0, len(content), MIB):
            sink.write(content[start : start + MIB])
        return draft.commit(manifest(id, sink.close(), **more))


def keys(s3: S3, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.client().list_objects_v2(Bucket=bucket).get("Contents", ())]


def uploads(s3: S3, bucket: str) -> list[str]:
    return [each["Key"] for each in s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


def nothing(s3: S3, bucket: str) -> bool:
    return (keys(s3, bucket), uploads(s3, bucket)) == ([], [])


@pytest.mark.parametrize("content", [b"", b"archive", LONG, LONG[: 16 * MIB], LONG[: 32 * MIB]])
def test_what_was_committed_is_found_read_and_whole(store: S3Store, content: bytes) -> None:
    made = kept(store, content=content)
    assert store.backups() == [made]
    assert store.find("shop-1") == made
    assert b"".join(store.read("shop-1", "data.dump")) == content
    with store.fetched("shop-1") as folder:
        assert (folder / "data.dump").read_bytes() == content
        assert (folder / "data.dump").stat().st_mode & 0o077 == 0 or folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_backups_are_listed_from_the_oldest_and_under_their_prefix_alone(s3: S3, bucket: str, store: S3Store) -> None:
    for hours, id in enumerate(["c", "b", "a"]):
        kept(store, id, age=timedelta(hours=hours))
    kept(opened(s3, bucket, prefix="other"), "elsewhere")
    assert [one.id for one in store.backups()] == ["a", "b", "c"]


@pytest.mark.parametrize("content", [b"half", LONG])
def test_a_draft_is_nobodys_backup_and_leaves_nothing(s3: S3, bucket: str, store: S3Store, content: bytes) -> None:
    with contextlib.suppress(RuntimeError), store.draft("shop-1") as draft:
        draft.sink("data.dump").write(content)
        assert (store.backups(), store.broken(), store.find("shop-1")) == ([], [], None)
        raise RuntimeError
    assert nothing(s3, bucket)


def test_of_two_with_the_same_id_one_wins_and_the_other_leaves_nothing(s3: S3, bucket: str, store: S3Store) -> None:
    with store.draft("shop-1") as slow:
        sink = slow.sink("data.dump")
        sink.write(b"slow")
        first = kept(store, content=b"quick")
        with pytest.raises(Refused, match="there is a backup shop-1 already"):
            slow.commit(manifest("shop-1", sink.close()))
    assert store.backups() == [first]
    assert b"".join(store.read("shop-1", "data.dump")) == b"quick"
    assert len(keys(s3, bucket)) == 2


def test_an_object_damaged_in_the_store_is_found(s3: S3, bucket: str, store: S3Store) -> None:
    made = kept(store)
    (stored,) = (s3.folder / "data" / bucket).rglob("data.dump")
    stored.write_bytes(b"Archive")
    assert [check.ok for check in store.checked(made)] == [False]
    with pytest.raises(Damaged, match=r"backup shop-1 is damaged: sha256 of data\.dump"), store.fetched("shop-1"):
        pass


def test_a_backup_that_lost_a_file_is_none(s3: S3, bucket: str, store: S3Store) -> None:
    made = kept(store)
    s3.client().delete_object(Bucket=bucket, Key=f"prod/shop/shop-1/{made.folder}/data.dump")
    assert store.backups() == []
    assert store.broken() == [("shop-1", "data.dump of backup shop-1 is not there, its manifest says 7 bytes")]


def test_a_manifest_is_amended(store: S3Store) -> None:
    made = kept(store)
    store.amend("shop-1", replace(made, proof=Proof("full", NOW, 1.0), folder="wrong"))
    assert store.the("shop-1").level == "full"
    assert b"".join(store.read("shop-1", "data.dump")) == b"archive"
    with pytest.raises(Absent):
        store.amend("shop-2", made)


def test_what_was_deleted_is_gone(s3: S3, bucket: str, store: S3Store) -> None:
    kept(store)
    assert store.delete("shop-1") == "deleted"
    assert nothing(s3, bucket)
    with pytest.raises(Absent):
        store.delete("shop-1")


def test_what_the_server_retains_is_said_and_stays_whole(s3: S3) -> None:
    bucket = s3.bucket(lock=True)
    store = opened(s3, bucket, object_lock_days=7)
    made = kept(store, content=LONG)
    assert store.delete("shop-1") == "retained"
    assert store.backups() == [made]
    assert all(check.ok for check in store.checked(made))
    seen = s3.client().head_object(Bucket=bucket, Key=f"prod/shop/shop-1/{made.folder}/data.dump")
    assert seen["ObjectLockMode"] == "GOVERNANCE"


def test_a_locked_store_lets_go_of_claims(s3: S3) -> None:
    bucket = s3.bucket(lock=True)
    kept(opened(s3, bucket, object_lock_days=7))
    assert not [key for key in keys(s3, bucket) if ".drafts" in key]


WRITER = """
import json, os, signal, sys
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.reach import store_of
with store_of(json.loads(sys.stdin.read())).draft("shop-1") as draft:
    sink = draft.sink("data.dump")
    for _ in range(40):
        sink.write(bytes(1 << 20))
    small = draft.sink("schema.sql")
    small.write(b"x")
    small.close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(s3: S3, bucket: str) -> None:
    """A writer that died in the middle of an upload."""
    done = child(WRITER, s3.store(bucket, prefix="prod/shop"))
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_what_a_killed_run_left_is_swept_by_the_next(s3: S3, bucket: str, store: S3Store) -> None:
    older = kept(store, "older")
    killed(s3, bucket)
    assert len(uploads(s3, bucket)) == 1
    assert store.backups() == [older]
    assert store.broken() == []
    (swept,) = store.sweep()
    assert swept.startswith("shop-1/")
    assert uploads(s3, bucket) == []
    assert len(keys(s3, bucket)) == 2
    assert store.sweep() == []


def test_what_a_living_run_writes_is_not_swept(s3: S3, bucket: str, store: S3Store) -> None:
    with store.draft("shop-1") as draft:
        sink = draft.sink("data.dump")
        sink.write(LONG)
        assert store.sweep() == []
        draft.commit(manifest("shop-1", sink.close()))
    assert len(store.backups()) == 1


def test_a_run_on_another_machine_is_dead_only_after_a_long_silence(
    s3: S3, bucket: str, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(s3, bucket)
    monkeypatch.setattr(claim, "_world", lambda: "another machine")
    assert store.sweep() == []
    monkeypatch.setattr(claim, "EXPIRES_AFTER", float("-inf"))
    assert len(store.sweep()) == 1
    assert nothing(s3, bucket)


def test_a_run_that_was_taken_for_dead_does_not_come_back_with_half_a_backup(
    s3: S3, bucket: str, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.draft("shop-1") as draft:
        sink = draft.sink("data.dump")
        sink.write(LONG)
        monkeypatch.setattr(claim, "gone", lambda holder, silent: True)
        monkeypatch.setattr(
            "ansible_collections.runbook.release.plugins.module_utils.postgres.store.s3.gone", claim.gone
        )
        assert len(opened(s3, bucket).sweep()) == 1
        with pytest.raises(ReleaseError):
            sink.close()
    assert (store.backups(), store.broken()) == ([], [])
    assert nothing(s3, bucket)


def test_a_run_that_lost_its_claim_after_its_last_byte_gives_up(s3: S3, bucket: str, store: S3Store) -> None:
    with store.draft("shop-1") as draft:
        sink = draft.sink("data.dump")
        sink.write(b"archive")
        entry = sink.close()
        (held,) = [key for key in keys(s3, bucket) if ".drafts/" in key]
        s3.client().delete_object(Bucket=bucket, Key=held)
        with pytest.raises(ReleaseError, match="was given up"):
            draft.commit(manifest("shop-1", entry))
    assert nothing(s3, bucket)


def test_an_answer_that_got_lost_after_the_manifest_was_kept_is_no_failure(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = Bucket.put_bytes

    def twice(bucket: Bucket, key: str, content: bytes, **more: Any) -> None:
        once(bucket, key, content, **more)
        once(bucket, key, content, **more)

    monkeypatch.setattr(Bucket, "put_bytes", twice)
    made = kept(store)
    assert store.backups() == [made]


def test_a_run_that_cannot_see_its_manifest_withdraws_it(
    s3: S3, bucket: str, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsettled(_draft: S3Draft, _stored: Manifest) -> None:
        raise ReleaseError("no answer")

    monkeypatch.setattr(S3Draft, "_settle", unsettled)
    with pytest.raises(ReleaseError, match="no answer"):
        kept(store)
    assert nothing(s3, bucket)


@pytest.mark.parametrize("content", [b"archive", LONG])
def test_a_part_that_changed_on_its_way_is_refused_by_the_server(
    s3: S3, bucket: str, store: S3Store, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    body = Part.body

    def changed(part: Part) -> Any:
        return io.BytesIO(body(part).read()[:-1] + b"?")

    monkeypatch.setattr(Part, "body", changed)
    with pytest.raises(ReleaseError, match="Digest"):
        kept(store, content=content)
    assert nothing(s3, bucket)


def test_a_server_that_dies_in_the_middle_is_an_error_and_nothing_is_a_backup() -> None:
    server = S3.start()
    try:
        bucket = server.bucket()
        store = opened(server, bucket)
        with store.draft("shop-1") as draft:
            sink = draft.sink("data.dump")
            sink.write(LONG)
            server.kill()
            with pytest.raises(ReleaseError, match=r"cannot write .*data\.dump"):
                sink.write(LONG)
        server.run()
        assert store.backups() == []
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secret_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"access_key": "nobody"}, "access key ID"),
        ({"bucket": "not-there"}, "NoSuchBucket"),
        ({"endpoint": "http://127.0.0.1:9"}, "127.0.0.1:9"),
    ],
)
def test_what_is_wrong_with_the_way_to_the_store_is_said(s3: S3, bucket: str, wrong: dict[str, str], said: str) -> None:
    given = {**s3.store(bucket)["s3"], **wrong}
    with pytest.raises(ReleaseError, match=said) as caught:
        store_of({"s3": given}).backups()
    assert given["secret_key"] not in str(caught.value)


def test_a_file_of_too_many_parts_is_refused_with_the_option_to_change(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ansible_collections.runbook.release.plugins.module_utils.postgres.store.s3_draft.MOST_PARTS", 1
    )
    with pytest.raises(ReleaseError, match="part_size higher"):
        kept(store, content=LONG)


def test_a_long_file_takes_no_more_memory_than_a_short_one(s3: S3, bucket: str) -> None:
    short, long = (peak(s3, bucket, size) for size in (100, 400))
    assert abs(long - short) < 4
    assert long < 80


UPLOADER = """
import json, sys
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.reach import store_of
with store_of(json.loads(sys.stdin.read())).draft("shop-1") as draft:
    sink = draft.sink("data.dump")
    for number in range(int(sys.argv[1])):
        sink.write(number.to_bytes(2, "big") * (1 << 19))
    sink.close()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(s3: S3, bucket: str, mebibytes: int) -> float:
    """MiB of memory that a process needed to upload so much."""
    return int(child(UPLOADER, s3.store(bucket, prefix="prod/shop"), str(mebibytes)).stdout) / 1024


def child(script: str, store: Mapping[str, Any], *argv: str) -> subprocess.CompletedProcess[str]:
    """A process that uses the store it reads from its stdin."""
    tests = Path(__file__).resolve().parents[1]
    begin = f"import sys; sys.path.insert(0, {str(tests)!r}); import conftest\n"
    command = [sys.executable, "-c", begin + script, *argv]
    return subprocess.run(command, input=json.dumps(store), capture_output=True, text=True, check=False)
