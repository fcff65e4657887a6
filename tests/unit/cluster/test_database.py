# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cluster import database
from cluster.say import Problem

SOURCES = {
    "debian.sources": "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n",
    "sources.list": "# deb http://old.example/ x\ndeb [arch=amd64] http://mirror.example/debian bookworm main\n",
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What mmdebstrap was asked; it writes nothing."""
    words: list[str] = []

    def record(argv: Sequence[str], **_more: Any) -> subprocess.CompletedProcess[str]:
        words.extend(argv)
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(database, "attempt", record)
    return words


@pytest.mark.parametrize("name", SOURCES)
def test_packages_come_from_the_mirror_of_the_machine_and_are_checked_with_its_keys(
    asked: list[str], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(SOURCES[name])
    database.images(tmp_path, tmp_path / name)
    assert asked[-1] == f"deb [signed-by={database.KEYS}] http://mirror.example/debian trixie main"


def test_apt_sources_that_name_no_mirror_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("# nothing here\n")
    with pytest.raises(Problem, match="No package mirror"):
        database.images(tmp_path, tmp_path / "sources.list")


def test_a_failed_download_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(SOURCES["sources.list"])
    failed = subprocess.CompletedProcess([], 1, "", "E: no such suite\n")
    monkeypatch.setattr(database, "attempt", lambda *_argv, **_more: failed)
    with pytest.raises(Problem, match="No database image: E: no such suite"):
        database.images(tmp_path, tmp_path / "sources.list")


def test_only_one_of_the_two_images_loads_the_extension(asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(SOURCES["sources.list"])
    with_extension, plain = database.images(tmp_path, tmp_path / "sources.list")
    assert with_extension.layers == plain.layers
    assert with_extension.command == ("entrypoint", "-cshared_preload_libraries=timescaledb")
    assert (plain.reference, plain.command) == ("localhost/postgres:17", ("entrypoint",))


def test_everyone_may_put_a_socket_where_the_programs_look_for_it(asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(SOURCES["sources.list"])
    own = database.images(tmp_path, tmp_path / "sources.list")[0].layers[1]
    with tarfile.open(own) as content:
        assert content.getmember("var/run/postgresql").mode == 0o1777
        assert content.getmember("usr/local/bin/entrypoint").mode & 0o111
