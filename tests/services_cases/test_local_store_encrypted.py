# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption with the real program ``age``."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import resource
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import crypt
from ansible_collections.runbook.release.plugins.module_utils.postgres.crypt import Encryptor, OpenedStore, decrypt
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import FileEntry, Manifest
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.base import Damaged
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from services.packages import require

MIB = 1 << 20
PLAIN = os.urandom(MIB) * 5 + b"the tail"
NAME = "data.dump.age"


class Key:
    """A private key in a file, and the recipient that belongs to it."""

    def __init__(self, folder: Path) -> None:
        require("age", "age")
        self.file = folder / "key.txt"
        subprocess.run(["age-keygen", "-o", str(self.file)], check=True, capture_output=True)
        found = re.search(r"public key: (age1\S+)", self.file.read_text())
        assert found
        self.recipient = found[1]


@pytest.fixture
def new_key(tmp_path: Path) -> Callable[[], Key]:
    def make() -> Key:
        folder = tmp_path / os.urandom(4).hex()
        folder.mkdir()
        return Key(folder)

    return make


@pytest.fixture
def key(new_key: Callable[[], Key]) -> Key:
    return new_key()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "backups"))


def manifest(*files: FileEntry) -> Manifest:
    now, server = datetime.now(UTC), {"system": "1", "version": 150020, "major": 15, "cluster_name": ""}
    return Manifest("shop-1", "shop", "", "custom", "none", now, now, server, "15", files, {}, encryption="age")


def kept(store: LocalStore, recipients: list[str], plain: bytes = PLAIN) -> Manifest:
    with store.draft("shop-1") as draft:
        sink = Encryptor(recipients).over(draft.sink(NAME))
        for start in range(0, len(plain), MIB):
            sink.write(plain[start : start + MIB])
        return draft.commit(manifest(sink.close()))


def test_when_the_dump_fails_age_ends_and_nothing_more_is_written(store: LocalStore, key: Key) -> None:
    with (
        contextlib.suppress(RuntimeError),
        store.draft("shop-1") as draft,
        Encryptor([key.recipient]).over(draft.sink(NAME)) as sink,
    ):
        sink.write(PLAIN)
        raise RuntimeError
    assert sink._pipe._process.poll() is not None
    assert not sink._thread.is_alive()
    assert store.backups() == []


def test_what_is_stored_is_encrypted_and_what_is_read_is_plain(store: LocalStore, key: Key) -> None:
    made = kept(store, [key.recipient])
    (entry,) = made.files
    stored = b"".join(store.read("shop-1", NAME))
    assert PLAIN[:64] not in stored
    assert (entry.bytes, entry.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    assert (entry.plain_bytes, entry.plain_sha256) == (len(PLAIN), hashlib.sha256(PLAIN).hexdigest())
    opened = OpenedStore(store, str(key.file))
    assert b"".join(opened.read("shop-1", NAME)) == PLAIN
    with opened.fetched("shop-1") as folder:
        assert (folder / NAME).read_bytes() == PLAIN
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_each_of_several_keys_opens_it(store: LocalStore, new_key: Callable[[], Key]) -> None:
    keys = [new_key(), new_key()]
    kept(store, [key.recipient for key in keys])
    for key in keys:
        assert b"".join(OpenedStore(store, str(key.file)).read("shop-1", NAME)) == PLAIN


def test_the_wrong_key_is_said_to_be_wrong(store: LocalStore, new_key: Callable[[], Key]) -> None:
    kept(store, [new_key().recipient])
    with pytest.raises(ReleaseError, match="no identity matched any of the recipients"):
        list(OpenedStore(store, str(new_key().file)).read("shop-1", NAME))


def test_a_key_that_is_not_there_is_said_to_be_missing(store: LocalStore, key: Key) -> None:
    kept(store, [key.recipient])
    key.file.unlink()
    with pytest.raises(ReleaseError, match="no such file"):
        list(OpenedStore(store, str(key.file)).read("shop-1", NAME))


@pytest.mark.parametrize("read", ["read", "fetched"])
def test_a_flipped_bit_is_found_before_anything_is_decrypted(
    store: LocalStore, key: Key, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    kept(store, [key.recipient])
    path = Path(store.where) / "shop-1" / NAME
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(crypt, "decrypt", lambda *_args: pytest.fail("decrypted"))
    opened = OpenedStore(store, str(key.file))
    ways = {"read": lambda: list(opened.read("shop-1", NAME)), "fetched": lambda: opened.fetched("shop-1").__enter__()}
    with pytest.raises(Damaged, match="backup shop-1 is damaged"):
        ways[read]()


def test_a_manifest_that_lies_about_the_plain_text_is_found(store: LocalStore, key: Key) -> None:
    made = kept(store, [key.recipient])
    lie = replace(made, files=(replace(made.files[0], plain_sha256="0" * 64),))
    store.amend("shop-1", lie)
    with pytest.raises(Damaged, match="decrypts to something else"):
        list(OpenedStore(store, str(key.file)).read("shop-1", NAME))


def forked(work: Callable[[], object]) -> int:
    """How a process ended that did it; ended by a signal: its negative number."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_plain_text_a_killed_run_left_is_removed_by_the_next_and_a_living_runs_is_not(
    store: LocalStore, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(store, [key.recipient])
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    def fetch(then: Callable[[], object]) -> None:
        with OpenedStore(store, str(key.file)).fetched("shop-1"):
            then()

    def there() -> int:
        return len([*folder.rglob(NAME)])

    assert forked(lambda: fetch(lambda: os.kill(os.getpid(), signal.SIGKILL))) == -signal.SIGKILL
    assert there() == 1
    seen = []
    fetch(lambda: seen.extend([there(), forked(lambda: fetch(there)), there()]))
    assert (seen, there()) == ([1, 0, 1], 0)


def test_no_room_for_the_plain_text_says_where_and_what_to_do(store: LocalStore, key: Key) -> None:
    kept(store, [key.recipient])

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))
        said = r"cannot write .*data\.dump\.age: File too large.*make room there, or set TMPDIR"
        with pytest.raises(ReleaseError, match=said), OpenedStore(store, str(key.file)).fetched("shop-1"):
            pass

    assert forked(limited) == 0


@pytest.mark.parametrize("length", [10, 200, MIB, 3 * MIB])
def test_what_is_cut_off_does_not_decrypt(store: LocalStore, key: Key, length: int) -> None:
    kept(store, [key.recipient])
    whole = b"".join(store.read("shop-1", NAME))
    with pytest.raises(ReleaseError, match="age ended with 1"):
        list(decrypt(iter([whole[:length]]), str(key.file)))


def test_a_source_that_fails_in_the_middle_is_its_own_error(store: LocalStore, key: Key) -> None:
    kept(store, [key.recipient])
    whole = b"".join(store.read("shop-1", NAME))

    def broken() -> Iterator[bytes]:
        yield whole[: 2 * MIB]
        raise ReleaseError("the network is gone")

    with pytest.raises(ReleaseError, match="the network is gone"):
        list(decrypt(broken(), str(key.file)))


class FaultySink:
    """A store that is full after the first megabyte."""

    def __init__(self) -> None:
        self.written = 0

    def write(self, piece: bytes) -> None:
        self.written += len(piece)
        if self.written > MIB:
            raise ReleaseError("no room")

    def close(self) -> FileEntry:
        raise AssertionError("closed as if it were whole")


def test_a_store_that_is_full_is_its_own_error(key: Key) -> None:
    sink = Encryptor([key.recipient]).over(FaultySink())

    def everything() -> None:
        for _dummy in range(20):
            sink.write(PLAIN)
        sink.close()

    with pytest.raises(ReleaseError, match="no room"):
        everything()


@pytest.mark.parametrize("recipients", [[], ["AGE-SECRET-KEY-1QQQ"], ["me@example.com"]])
def test_what_is_no_recipient_is_refused_and_a_private_key_not_repeated(recipients: list[str]) -> None:
    with pytest.raises(Refused) as caught:
        Encryptor(recipients)
    assert "1QQQ" not in str(caught.value)


def test_a_machine_without_the_program_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refused, match="install the package age"):
        Encryptor(["age1x"])


def test_a_backup_that_is_not_encrypted_is_read_as_it_is(store: LocalStore, key: Key) -> None:
    with store.draft("shop-1") as draft:
        sink = draft.sink("data.dump")
        sink.write(b"plain")
        draft.commit(replace(manifest(sink.close()), encryption=""))
    opened = OpenedStore(store, str(key.file))
    assert b"".join(opened.read("shop-1", "data.dump")) == b"plain"
    with opened.fetched("shop-1") as folder:
        assert (folder / "data.dump").read_bytes() == b"plain"
