# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cluster import plan
from cluster.plan import Part, Places


@pytest.mark.parametrize("part", plan.PARTS, ids=lambda part: part.name)
def test_every_part_has_its_pins(part: Part) -> None:
    assert (part.source / "go.mod").exists()
    assert (part.source / "go.sum").exists() or part is plan.FAULTY


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "main.go"])
def test_the_key_follows_the_pins(tmp_path: Path, changed: str) -> None:
    shutil.copytree(plan.ETCD.source, tmp_path / "etcd")
    before = Part("etcd", 1, home=tmp_path).key
    assert Part("etcd", 1, home=tmp_path).key == before
    (tmp_path / "etcd" / changed).open("a").write("// changed\n")
    assert Part("etcd", 1, home=tmp_path).key != before


def test_the_key_follows_the_flags() -> None:
    assert Part("etcd", 1).key != Part("etcd", 1, ldflags="-X main.version=2").key


def test_the_key_ignores_the_estimate() -> None:
    assert Part("etcd", 1).key == Part("etcd", 2).key


def test_kubernetes_reports_the_version_of_its_pin() -> None:
    assert f"k8s.io/kubernetes {plan.KUBERNETES}\n" in (plan.KUBERNETES_PROGRAMS.source / "go.mod").read_text()


def test_two_clusters_share_nothing_but_the_cache() -> None:
    one, two = Places(1), Places(2)
    assert {one.name, one.address, one.state}.isdisjoint({two.name, two.address, two.state})
    assert one.programs(plan.ETCD) == two.programs(plan.ETCD)


def test_places_follow_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("RUNBOOK_CLUSTER", "5")
    places = Places.from_environment()
    assert places.cache == tmp_path / "runbook-release"
    assert places.address == "10.213.5.2"
