# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import Malformed
from ansible_collections.runbook.release.plugins.module_utils.postgres.store import local
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.base import CHUNK, Absent, Damaged
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore

from ..backups import kept, manifest, proof

LONG = bytes(range(256)) * 4096 * 2 + b"tail"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def store(path: Path) -> LocalStore:
    return LocalStore(str(path))


def leftovers(path: Path) -> list[str]:
    return sorted(entry.name for entry in (path / ".drafts").iterdir())


def test_a_store_that_is_not_there_yet_is_empty(store, path):
    assert (store.backups(), store.broken(), store.sweep(), store.find("shop-1")) == ([], [], [], None)
    assert not path.exists()


def test_what_was_committed_is_found_read_and_whole(store, path):
    made = kept(store, content=LONG)
    assert store.backups() == [made]
    assert store.find("shop-1") == made
    pieces = list(store.read("shop-1", "data.dump"))
    assert b"".join(pieces) == LONG
    assert max(map(len, pieces)) <= CHUNK
    with store.fetched("shop-1") as folder:
        assert (folder / "data.dump").read_bytes() == LONG
    assert made.files[0].sha256 == hashlib.sha256(LONG).hexdigest()
    assert leftovers(path) == []


def test_backups_are_listed_from_the_oldest(store):
    for number, id in enumerate(["c", "a", "b"]):
        kept(store, id, made_at=manifest().made_at.replace(hour=9 - number))
    assert [one.id for one in store.backups()] == ["b", "a", "c"]


def test_nobody_else_can_read_a_backup(store, path):
    old = os.umask(0)
    try:
        kept(store)
    finally:
        os.umask(old)
    modes = {entry: stat.S_IMODE(entry.stat().st_mode) for entry in [path, *path.rglob("*")]}
    assert {mode for entry, mode in modes.items() if entry.is_dir()} == {0o700}
    assert {mode for entry, mode in modes.items() if not entry.is_dir()} == {0o600}


def test_a_file_system_that_is_not_mounted_is_noticed(tmp_path):
    with pytest.raises(ReleaseError, match=r"the folder it is in is not there.*mount"):
        kept(LocalStore(str(tmp_path / "mount" / "backups")))


def test_a_draft_is_nobodys_backup_and_leaves_nothing(store, path):
    with contextlib.suppress(RuntimeError), store.draft("shop-1") as draft:
        draft.sink("data.dump").write(b"half")
        assert (store.backups(), store.broken(), store.find("shop-1")) == ([], [], None)
        raise RuntimeError
    assert (store.backups(), store.broken(), leftovers(path)) == ([], [], [])


def test_a_second_one_with_the_same_id_is_refused_and_the_first_untouched(store, path):
    first = kept(store, content=b"first")
    with pytest.raises(Refused, match="something named shop-1 already"):
        kept(store, content=b"second")
    assert store.backups() == [first]
    assert b"".join(store.read("shop-1", "data.dump")) == b"first"
    assert leftovers(path) == []


def test_a_folder_that_is_no_backup_is_never_replaced(store, path):
    (path / "shop-1").mkdir(parents=True)
    (path / "shop-1" / "notes").write_text("mine")
    with pytest.raises(Refused, match="shop-1 already"):
        kept(store)
    assert (path / "shop-1" / "notes").read_text() == "mine"
    assert store.broken() == [("shop-1", f"{path / 'shop-1'} has no manifest")]


@pytest.mark.parametrize("id", ["", "../x", ".drafts", "a/b", "x" * 81, "-x", "a b", "a\n"])
def test_an_id_that_is_no_plain_name_is_refused(store, id):
    with pytest.raises(Refused, match="cannot name a backup"), store.draft(id):
        pass


@pytest.mark.parametrize("name", ["manifest.json", "../x", "/etc/passwd", "a//b", ".hidden", ""])
def test_a_file_outside_of_the_backup_is_refused(store, name):
    with store.draft("shop-1") as draft, pytest.raises(Refused, match="cannot name a file"):
        draft.sink(name)


def test_a_folder_a_program_wrote_is_adopted(store):
    with store.draft("shop-1") as draft:
        folder = draft.folder / "data"
        folder.mkdir()
        (folder / "toc.dat").write_bytes(b"toc")
        (folder / "1.dat.zst").write_bytes(LONG)
        entries = tuple(draft.adopt(f"data/{name}") for name in ("toc.dat", "1.dat.zst"))
        draft.commit(replace(manifest(), format="directory", files=entries))
    with store.fetched("shop-1") as found:
        assert (found / "data" / "1.dat.zst").read_bytes() == LONG


def test_a_manifest_that_does_not_name_every_file_is_refused(store):
    with store.draft("shop-1") as draft:
        sink = draft.sink("data.dump")
        sink.write(b"x")
        entry = sink.close()
        (draft.folder / "stray").write_text("")
        with pytest.raises(ReleaseError, match="not about what was written: stray"):
            draft.commit(replace(manifest(), files=(entry,)))
    assert store.backups() == []


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_one_flipped_bit_is_found(store, path):
    made = kept(store, content=LONG)
    flip(path / "shop-1" / "data.dump")
    (check,) = store.checked(made)
    assert not check.ok
    with pytest.raises(Damaged, match=r"backup shop-1 is damaged: sha256 of data\.dump is"), store.fetched("shop-1"):
        pass


def test_a_file_that_is_missing_or_short_makes_it_no_backup(store, path):
    kept(store, "short")
    kept(store, "gone")
    os.truncate(path / "short" / "data.dump", 3)
    (path / "gone" / "data.dump").unlink()
    assert store.backups() == []
    assert [(id, "3 bytes" in why or "has no data.dump" in why) for id, why in store.broken()] == [
        ("gone", True),
        ("short", True),
    ]
    with pytest.raises(Malformed):
        store.find("short")


def test_a_backup_under_another_ones_name_is_none(store, path):
    kept(store)
    (path / "shop-1").rename(path / "shop-2")
    assert "has the manifest of backup shop-1" in dict(store.broken())["shop-2"]


def test_what_no_backup_can_be_called_is_not_looked_at(store, path):
    made = kept(store)
    (path / "lost+found").mkdir()
    assert (store.backups(), store.broken()) == ([made], [])


@pytest.mark.parametrize("name", ["../older/data.dump", "/etc/passwd", "manifest.json"])
def test_a_manifest_that_names_files_elsewhere_is_none(store, path, name):
    kept(store, "older")
    made = kept(store)
    lie = replace(made, files=(replace(made.files[0], name=name),))
    (path / "shop-1" / "manifest.json").write_bytes(lie.to_bytes())
    assert "which cannot be in it" in dict(store.broken())["shop-1"]


def test_a_symbolic_link_is_not_followed(store, path, tmp_path):
    kept(store)
    (tmp_path / "elsewhere").write_bytes(b"archive")
    (path / "shop-1" / "data.dump").unlink()
    (path / "shop-1" / "data.dump").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReleaseError):
        list(store.read("shop-1", "data.dump"))


def test_a_manifest_is_amended_in_one_step(store, path):
    made = kept(store)
    store.amend("shop-1", replace(made, proof=proof("full")))
    assert store.the("shop-1").level == "full"
    assert leftovers(path) == []
    with pytest.raises(Absent, match="there is no backup shop-2"):
        store.amend("shop-2", made)


def test_what_was_deleted_is_gone(store, path):
    kept(store)
    assert store.delete("shop-1") == "deleted"
    assert (store.backups(), store.broken(), leftovers(path)) == ([], [], [])
    with pytest.raises(Absent):
        store.delete("shop-1")


def forked(work: Callable[[], Any]) -> int:
    """How a process ended that did it; ended by a signal: its negative number."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


CALLS = ("open", "write", "fsync", "close", "mkdir", "rename", "unlink", "rmdir", "chmod")


def dying_at(number: int) -> None:
    """This process is killed in front of the file system call of that number, or in the middle of it if it writes."""
    seen = 0

    def doomed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **more: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == number:
                if name == "write":
                    call(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **more)

        return wrapper

    for name in CALLS:
        setattr(os, name, doomed(name, getattr(os, name)))


def killed_at_every_call(store: LocalStore, work: Callable[[], Any], judge: Callable[[], Any]) -> int:
    """Until it comes through; the number of times it was killed."""
    number = 1
    while True:

        def run(number: int = number) -> None:
            dying_at(number)
            work()

        how = forked(run)
        judge()
        store.sweep()
        judge()
        if how == 0:
            return number - 1
        assert how == -signal.SIGKILL
        number += 1


def whole(store: LocalStore) -> bool:
    """Whether there is the backup; that there is half of one is never so."""
    assert store.broken() == []
    found = store.backups()
    for made in found:
        assert all(check.ok for check in store.checked(made))
    return bool(found)


def test_a_writer_killed_at_any_call_leaves_no_backup_or_a_whole_one(store, path):
    kept(store, "older")

    def judge() -> None:
        assert whole(store)
        assert store.find("older")

    def fresh() -> None:
        judge()
        if len(store.backups()) == 2:
            store.delete("shop-1")

    assert killed_at_every_call(store, lambda: kept(store, content=LONG), fresh) > 15
    assert leftovers(path) == []


def test_one_who_deletes_killed_at_any_call_leaves_no_backup_or_a_whole_one(store, path):
    kept(store)

    def again() -> None:
        if not whole(store):
            kept(store)

    assert killed_at_every_call(store, lambda: store.delete("shop-1"), again) > 5
    assert leftovers(path) == []


def test_one_who_amends_killed_at_any_call_leaves_the_old_or_the_new_manifest(store, path):
    made = kept(store)
    assert killed_at_every_call(
        store, lambda: store.amend("shop-1", replace(made, proof=proof())), lambda: whole(store) or pytest.fail("gone")
    )
    assert leftovers(path) == []


def test_nothing_is_a_backup_before_it_is_on_the_disk(store, path, monkeypatch):
    """The order that a power cut at any moment asks for: contents, folder, manifest, folder, rename, store."""
    names: dict[int, str] = {}
    calls: list[str] = []
    real = {name: getattr(os, name) for name in ("open", "fsync", "rename")}

    def opened(path: Any, *args: Any, **more: Any) -> int:
        descriptor = real["open"](path, *args, **more)
        name = Path(path).name
        names[descriptor] = "draft" if name.startswith("shop-1~") else name
        return descriptor

    monkeypatch.setattr(local.os, "open", opened)
    monkeypatch.setattr(local.os, "fsync", lambda one: (calls.append(f"sync {names[one]}"), real["fsync"](one)))
    monkeypatch.setattr(
        local.os, "rename", lambda old, new: (calls.append(f"rename to {new.name}"), real["rename"](old, new))
    )
    kept(store)
    assert calls == [
        "sync " + path.parent.name,
        "sync backups",
        "sync data.dump",
        "sync draft",
        "sync manifest.json",
        "sync draft",
        "rename to shop-1",
        "sync backups",
    ]


def test_what_a_living_run_writes_is_not_swept(store, path):
    with store.draft("shop-1") as draft:
        sink = draft.sink("data.dump")
        sink.write(b"archive")
        assert forked(lambda: os._exit(len(store.sweep()))) == 0
        draft.commit(replace(manifest(), files=(sink.close(),)))
    assert whole(store)


def test_what_a_killed_run_left_is_swept_by_the_next_and_a_living_one_is_not(store, path):
    def die() -> None:
        with store.draft("shop-1.4.0") as draft:
            draft.sink("data.dump").write(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

    assert forked(die) == -signal.SIGKILL
    assert store.backups() == []
    (lock,) = (path / ".drafts").glob("*.lock")
    with store.draft("shop-1.5.0") as living:
        assert store.sweep() == [lock.name.removesuffix(".lock")]
        assert leftovers(path) == sorted([living.folder.name, f"{living.folder.name}.lock"])
    assert leftovers(path) == []


def test_a_folder_of_a_draft_without_its_lock_file_is_swept(store, path):
    kept(store)
    orphan = path / ".drafts" / f"shop-1.4.0~{'0' * 32}"
    orphan.mkdir()
    (orphan / "data.dump").write_bytes(b"half")
    assert store.sweep() == [orphan.name]
    assert leftovers(path) == []


def test_a_file_that_cannot_be_written_to_its_end_is_no_backup(store, path):
    import resource

    kept(store, "older")

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK, CHUNK))
        with pytest.raises(ReleaseError, match=r"cannot write .*data\.dump: File too large.*make room"):
            kept(store, content=LONG)

    assert forked(limited) == 0
    assert [one.id for one in store.backups()] == ["older"]
    assert leftovers(path) == []
