# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from cluster import build, catalogue, command, kind, machine
from cluster.built import BuiltCluster
from cluster.kind import KindCluster
from cluster.plan import Places
from cluster.say import Problem

RECORDER = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $*" in
  "kind get clusters") echo runbook-254;;
  "kind create"*) exit "${KIND_FAILS:-0}";;
  "docker inspect"*) echo 127.0.0.1;;
  "kubectl "*" create token "*) echo secret;;
esac
"""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """docker, kind and kubectl that only write down what they are asked."""
    for name in ("docker", "kind", "kubectl"):
        (tmp_path / name).write_text(RECORDER)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr(build, "build", lambda _places, _part: None)
    monkeypatch.setattr(build, "module_folder", lambda _part, _module: tmp_path)
    monkeypatch.setattr("cluster.provider.module_folder", lambda _part, _module: tmp_path)
    monkeypatch.setattr(catalogue, "archives", lambda _places, _build: [tmp_path / "podinfo-0.tar"])
    monkeypatch.setattr(catalogue, "environment", lambda *_: "KUBECONFIG=here\n")
    return Places(254, tmp_path / "cache")


def calls(places: Places) -> list[str]:
    return (places.cache.parent / "calls").read_text().splitlines()


def test_kind_is_used_when_docker_answers(places: Places) -> None:
    assert kind.is_available()


def test_kind_is_not_used_when_docker_does_not_answer(places: Places) -> None:
    (places.cache.parent / "docker").write_text("#!/bin/sh\nexit 1\n")
    assert not kind.is_available()


def test_images_and_gateway_go_into_the_node(places: Places) -> None:
    KindCluster(places).start()
    made = calls(places)
    assert f"kind load image-archive {places.cache.parent}/podinfo-0.tar --name runbook-254" in made
    assert any(
        call.startswith("docker exec --detach runbook-254-control-plane traefik") and "token=secret" in call
        for call in made
    )
    assert KindCluster.was_started(places)
    assert places.env.read_text() == "KUBECONFIG=here\n"


def test_closing_deletes_the_cluster_and_the_state(places: Places) -> None:
    cluster = KindCluster(places)
    cluster.start()
    cluster.close()
    assert calls(places)[-1] == "kind delete cluster --name runbook-254"
    assert not places.state.exists()


def test_when_kind_fails_the_parts_are_built(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_places: Places) -> None:
        raise Problem("this machine cannot run built parts either")

    monkeypatch.setenv("KIND_FAILS", "1")
    monkeypatch.setattr(machine, "prepare", refuse)
    with pytest.raises(Problem, match="built parts either"):
        command._start(places)
    assert calls(places)[-1] == "kind delete cluster --name runbook-254"
    assert isinstance(command._present(places), BuiltCluster)
