# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees who typed something wrong: one sentence, a non-zero exit, and nothing changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRY = {"kind": "httproute", "name": "nothing-here"}
CLUSTER = {"kubeconfig": os.environ.get("KUBECONFIG", ""), "namespace": "default"}


def component(**more: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "source": {"kind": "helm", "chart": f"{os.environ.get('CHARTS', '')}/podinfo"},
        "entry": ENTRY,
        "urls": [{"url": "http://web.local/version"}],
        "identity": {"json": "version"},
        **more,
    }


def deploy(tmp_path: Path, **variables: Any) -> subprocess.CompletedProcess[str]:
    inventory = tmp_path / "inventory.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
    inventory.write_text(json.dumps({"all": {"hosts": {"web": host}}}))
    playbook = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "playbooks" / "deploy.yml")]
    return subprocess.run(
        [*playbook, f"--inventory={inventory}"], check=False, cwd=ROOT, capture_output=True, text=True
    )


SYSTEM = {
    "release_system": "web",
    "release_version": "1.0.0",
    "release_cluster": CLUSTER,
    "release_components": [component()],
    "release_record": "/nonexistent",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"release_verison": "1.0.0"}, "Unknown variable release_verison: did you mean release_version?"),
        ({"release_shift": {"stepz": [100]}}, "stepz"),
        ({"release_components": [component(entry={"kind": "ingres", "name": "x"})]}, "ingres"),
        ({"release_cluster": {**CLUSTER, "context": "no-such-context"}}, "no-such-context"),
        ({"release_cluster": {**CLUSTER, "namespace": "no-such-namespace"}}, "no-such-namespace does not exist"),
        ({}, "The entry HTTPRoute default/nothing-here does not exist"),
    ],
)
def test_bad_input_ends_before_anything_changes(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    run = deploy(tmp_path, **{**SYSTEM, **change})
    assert run.returncode != 0
    last_words = run.stdout.strip().splitlines()[-1]
    assert last_words.startswith("web: ")
    assert said in last_words
    assert "changed=0" in run.stdout


def test_a_cluster_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:9"}}],
                "users": [{"name": "gone", "user": {}}],
                "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
                "current-context": "gone",
            }
        )
    )
    run = deploy(tmp_path, **{**SYSTEM, "release_cluster": {"kubeconfig": str(kubeconfig), "namespace": "default"}})
    assert run.returncode != 0
    assert "127.0.0.1:9" in run.stdout.strip().splitlines()[-1]
