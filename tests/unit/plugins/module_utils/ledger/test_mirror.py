# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Head
from ansible_collections.runbook.release.plugins.module_utils.ledger.mirror import Mirror, pins
from ansible_collections.runbook.release.plugins.module_utils.ledger.sign import SignedHead

from .test_verify import chain, texts

ENTRIES = chain(6)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(str(tmp_path / "releases" / "mirror"))


def nothing() -> Sequence[str]:
    raise AssertionError("there is nothing to catch up with")


def file_of(mirror: Mirror) -> Path:
    return Path(mirror.folder) / "ledger.jsonl"


def test_entries_are_mirrored_one_by_one(mirror: Mirror) -> None:
    assert mirror.texts() == []
    assert all(mirror.follow(entry, nothing) for entry in ENTRIES)
    assert mirror.texts() == texts(ENTRIES)


def test_only_the_owner_can_read_it(mirror: Mirror) -> None:
    os.makedirs(mirror.folder, mode=0o755)
    file_of(mirror).touch(mode=0o644)
    mirror.follow(ENTRIES[0], nothing)
    assert stat.S_IMODE(os.stat(mirror.folder).st_mode) == 0o700
    assert stat.S_IMODE(file_of(mirror).stat().st_mode) == 0o600


def test_what_others_added_is_caught_up(mirror: Mirror) -> None:
    mirror.follow(ENTRIES[0], nothing)
    mirror.follow(ENTRIES[3], lambda: texts(ENTRIES))
    assert mirror.texts() == texts(ENTRIES[:4])


def test_an_entry_that_is_there_is_not_written_again(mirror: Mirror) -> None:
    mirror.follow(ENTRIES[2], lambda: texts(ENTRIES))
    assert not mirror.follow(ENTRIES[1], nothing)
    assert mirror.texts() == texts(ENTRIES[:3])


def test_only_one_at_a_time_writes(mirror: Mirror) -> None:
    def everything() -> list[str]:
        with file_of(mirror).open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return texts(ENTRIES)

    mirror.follow(ENTRIES[5], everything)
    assert mirror.texts() == texts(ENTRIES)


def test_a_line_a_crash_left_behind_is_no_entry(mirror: Mirror) -> None:
    mirror.follow(ENTRIES[0], nothing)
    with file_of(mirror).open("a") as file:
        file.write(ENTRIES[1].text[:40])
    assert mirror.texts() == texts(ENTRIES[:1])
    mirror.follow(ENTRIES[1], nothing)
    assert mirror.texts() == texts(ENTRIES[:2])


def test_a_ledger_that_has_lost_entries_is_not_mirrored(mirror: Mirror) -> None:
    mirror.follow(ENTRIES[5], lambda: texts(ENTRIES))
    other = chain(2, "another")[1]
    with pytest.raises(ReleaseError, match="has another entry 2 than the cluster, and goes on to entry 6"):
        mirror.follow(other, nothing)
    assert mirror.texts() == texts(ENTRIES)


def test_a_mirror_that_cannot_be_read_is_not_added_to(mirror: Mirror) -> None:
    mirror.follow(ENTRIES[0], nothing)
    file_of(mirror).write_text("something else\n")
    with pytest.raises(ReleaseError, match="cannot be mirrored, because it cannot be read"):
        mirror.follow(ENTRIES[1], nothing)
    assert file_of(mirror).read_text() == "something else\n"


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_leaves_whole_lines_only(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    mirror.follow(ENTRIES[0], nothing)
    write, written = os.write, []

    def half_and_no_more(file: int, content: bytes) -> int:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(content)
        return write(file, content[:10])

    def fail(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, half_and_no_more if call == "write" else fail)
        with pytest.raises(
            ReleaseError, match=r"No space left .* the cluster's ledger has entry 2 and is intact"
        ) as no:
            mirror.follow(ENTRIES[1], nothing)
    assert no.value.details["entry"] == ENTRIES[1].report()
    assert file_of(mirror).read_text() == ENTRIES[0].text + "\n"
    mirror.follow(ENTRIES[2], lambda: texts(ENTRIES))
    assert mirror.texts() == texts(ENTRIES[:3])


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mirror = Mirror(str(tmp_path / "file"))
    for use in (lambda: mirror.follow(ENTRIES[0], nothing), mirror.texts):
        with pytest.raises(ReleaseError, match="the mirror cannot be"):
            use()


def test_what_the_mirror_remembers(mirror: Mirror) -> None:
    mirror.follow(ENTRIES[2], lambda: texts(ENTRIES))
    mirror.keep(SignedHead(ENTRIES[1].head, "signature"))
    assert mirror.heads() == [SignedHead(Head(2, ENTRIES[1].sha256), "signature")]
    assert pins(mirror) == [ENTRIES[2].head, ENTRIES[1].head]


def test_a_signed_head_that_cannot_be_read_is_an_error(mirror: Mirror) -> None:
    mirror.keep(SignedHead(ENTRIES[1].head, "signature"))
    (Path(mirror.folder) / "heads.jsonl").write_text('{"number": 1}\n')
    with pytest.raises(ReleaseError, match="signed head in the mirror cannot be read"):
        mirror.heads()
