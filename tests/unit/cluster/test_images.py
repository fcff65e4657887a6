# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cluster.images import Image, layer, write_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    program = tmp_path / "program"
    program.write_text("run")
    shared = layer(tmp_path / "shared", [(program, "/bin/program")])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "page").write_text("page")
    own = layer(tmp_path / "own", [(tmp_path / "data", "/home/data")])
    target = tmp_path / "images.tar"
    write_archive(
        target,
        [
            Image("localhost/a:1", (shared,), ("/bin/program",)),
            Image("localhost/a:2", (shared, own), ("/bin/program",), {"FAULT": "crash"}, "/home", ("localhost/b:2",)),
        ],
    )
    return target


def read(archive: Path, name: str) -> Any:
    with tarfile.open(archive) as content:
        stream = content.extractfile(name)
        assert stream
        return json.load(stream)


def test_an_image_may_have_several_references(archive: Path) -> None:
    tags = [entry["RepoTags"] for entry in read(archive, "manifest.json")]
    assert tags == [["localhost/a:1"], ["localhost/a:2", "localhost/b:2"]]


def test_layers_are_what_the_config_says(archive: Path) -> None:
    for entry in read(archive, "manifest.json"):
        digests = [digest.removeprefix("sha256:") for digest in read(archive, entry["Config"])["rootfs"]["diff_ids"]]
        assert [f"{digest}.tar" for digest in digests] == entry["Layers"]
        with tarfile.open(archive) as content:
            for digest in digests:
                stream = content.extractfile(f"{digest}.tar")
                assert stream
                assert hashlib.sha256(stream.read()).hexdigest() == digest


def test_a_shared_layer_is_stored_once(archive: Path) -> None:
    with tarfile.open(archive) as content:
        assert sum(name.endswith(".tar") for name in content.getnames()) == 2


def test_the_config_carries_what_the_image_says(archive: Path) -> None:
    entry = read(archive, "manifest.json")[1]
    config = read(archive, entry["Config"])["config"]
    assert entry["RepoTags"][0] == "localhost/a:2"
    assert config["Cmd"] == ["/bin/program"]
    assert "FAULT=crash" in config["Env"]
    assert config["WorkingDir"] == "/home"
    assert config["User"] == "1000"


def test_the_same_content_makes_the_same_layer(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("run")
    first = layer(tmp_path / "one", [(tmp_path / "program", "/program")]).read_bytes()
    (tmp_path / "program").touch()
    assert layer(tmp_path / "two", [(tmp_path / "program", "/program")]).read_bytes() == first


def test_folders_go_into_a_layer_whole(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "own") as content:
        assert "home/data/page" in content.getnames()
