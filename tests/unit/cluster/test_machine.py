# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest
from cluster import machine
from cluster.plan import Places
from cluster.say import Problem

Usage = namedtuple("Usage", "free")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A machine that has everything; each test takes one thing away."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(9 << 30))
    return Places(77, tmp_path)


def test_a_machine_with_everything_is_accepted(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "attempt", lambda _argv: subprocess.CompletedProcess(_argv, 0, "", ""))
    machine.check(places)
    machine.prepare(places)


@pytest.mark.parametrize("tool", ["go", "git", "make"])
def test_a_missing_tool_is_named(places: Places, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == tool else name)
    with pytest.raises(Problem, match=f"needs {tool}; install {tool}"):
        machine.check(places)


def test_without_root_the_command_is_named(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Problem, match="run `sudo python3 tests/cluster up`"):
        machine.prepare(places)


def test_a_full_disk_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(7 << 30))
    with pytest.raises(Problem, match=r"has 7\.0 GB free and the cluster needs 8 GB"):
        machine.check(places)


def test_a_cache_hidden_inside_the_cluster_is_refused(places: Places) -> None:
    with pytest.raises(Problem, match="XDG_CACHE_HOME"):
        machine.prepare(Places(77, Path("/var/lib/jenkins/.cache")))


def test_missing_packages_without_apt_are_refused_with_the_command(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name in {"runc", "nft", "apt-get"} else name)
    with pytest.raises(Problem, match=r"apt-get install -y --no-install-recommends runc nftables"):
        machine.prepare(places)


def test_an_address_in_use_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "ip"
    fake.write_text("#!/bin/sh\necho '10.213.77.0/24 dev tun0'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Problem, match=r"10.213.77.1/24 is taken .*tun0.* RUNBOOK_CLUSTER"):
        machine.prepare(places)
