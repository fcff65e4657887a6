# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres.store import aside
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.claim import EXPIRES_AFTER, Holder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left(place: Path, name: str, note: bytes, silent: float = 0) -> Path:
    """What looks like the folder of another run."""
    folder = place / f"{aside.PREFIX}{name}"
    folder.mkdir()
    (folder / "holder").write_bytes(note)
    seen = (folder / "holder").stat().st_mtime - silent
    os.utime(folder / "holder", (seen, seen))
    return folder


def test_a_folder_is_private_and_gone_afterwards(place: Path) -> None:
    with aside.folder() as folder:
        aside.write(folder / "deep" / "data.dump", [b"secret"])
        private = [path for path in (folder.parent, folder, *folder.rglob("*")) if path.stat().st_mode & 0o077 == 0]
        assert len(private) == 4
        assert [*folder.iterdir()] == [folder / "deep"]
    assert [*place.iterdir()] == []


def test_what_a_dead_writer_left_is_removed_and_what_may_be_in_use_is_not(place: Path) -> None:
    me = Holder.me()
    elsewhere = Holder(me.host, "another machine", me.pid, me.began).to_bytes()
    dead = left(place, "dead", Holder(me.host, me.world, me.pid, "1").to_bytes())
    silent = left(place, "silent", elsewhere, EXPIRES_AFTER + 60)
    stays = [left(place, "alive", me.to_bytes(), 1e6), left(place, "elsewhere", elsewhere), place / "backup-of-others"]
    stays[-1].mkdir()
    with aside.folder():
        assert not dead.exists()
        assert not silent.exists()
        assert all(folder.exists() for folder in stays)


def test_a_write_that_came_up_short_is_continued_and_hashed_as_it_was_written(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, content = os.write, os.urandom(1000)
    monkeypatch.setattr(os, "write", lambda descriptor, piece: whole(descriptor, piece[: len(piece) // 2 + 1]))
    said = aside.write(place / "data.dump", [content, content])
    assert (place / "data.dump").read_bytes() == content * 2
    assert said == hashlib.sha256(content * 2).hexdigest()


def test_a_temporary_folder_that_is_not_there_is_an_error_with_a_remedy(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "gone"))
    with (
        pytest.raises(ReleaseError, match=r"cannot write .*gone: No such file or directory.*set TMPDIR"),
        aside.folder(),
    ):
        pass
