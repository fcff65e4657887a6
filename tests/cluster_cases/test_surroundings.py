# SPDX-License-Identifier: GPL-3.0-or-later
"""What a system needs around it, by the roles and playbook tasks that make it, on a real cluster."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import NAMESPACE, SECRET

ROOT = Path(__file__).resolve().parents[2]
SPACE = f"surroundings-{os.getpid()}"
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"include_role": {"name": "runbook.release.preflight", "tasks_from": "namespace.yml"}},
            {"include_role": {"name": "runbook.release.deploy", "tasks_from": "secrets.yml"}},
        ],
    }
]
PLANTED = {"PLANTED_ONE": "pl4nted-0ne", "PLANTED_TWO": "pl4nted-tw0", "PLANTED_TOKEN": "pl4nted-t0ken"}
SECRETS = [
    {
        "name": "database",
        "data": {
            "username": {"plain": "shop"},
            "password": {"environment": "PLANTED_ONE"},
            "vaulted": {"variable": "kept_by_vault"},
        },
    },
    {
        "name": "pull",
        "registry": {"server": "registry.example", "username": "shop", "password": {"environment": "PLANTED_TOKEN"}},
    },
    {"name": "elsewhere", "keys": ["token"]},
]


@pytest.fixture(scope="module")
def client() -> Iterator[KubeClient]:
    client = KubeClient()
    yield client
    client.delete(NAMESPACE, SPACE)


def play(tmp_path: Path, planted: dict[str, str] | None = None, **more: Any) -> tuple[int, str]:
    """Everything that was told, with all that can be told switched on."""
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "release_cluster": {"namespace": SPACE},
        "release_namespace": {"create": True, "labels": {"team": "shop"}},
        "release_secrets": SECRETS,
        "kept_by_vault": "pl4nted-v4ult",
        **more,
    }
    (tmp_path / "play.yml").write_text(json.dumps(PLAY))
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"web": host}}}))
    command = ["ansible-playbook", "-i", "hosts.json", "play.yml", "-vvv", "--diff"]
    env = {
        **os.environ,
        **PLANTED,
        **(planted or {}),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "K8S_AUTH_KUBECONFIG": os.environ["KUBECONFIG"],
    }
    done = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
    told = done.stdout + done.stderr
    values = [*PLANTED.values(), *(planted or {}).values(), "pl4nted-v4ult"]
    leaked = [one for one in values if one in told or base64.b64encode(one.encode()).decode() in told]
    assert leaked == []
    return done.returncode, told


def values(client: KubeClient, name: str) -> dict[str, str]:
    found = client.get(SECRET, name, SPACE)
    assert found
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def test_a_namespace_and_its_secrets_are_made_once_and_updated_by_what_differs(
    client: KubeClient, tmp_path: Path
) -> None:
    code, told = play(tmp_path)
    assert code == 0, told
    namespace = client.get(NAMESPACE, SPACE)
    assert namespace
    assert namespace["metadata"]["labels"]["team"] == "shop"
    assert values(client, "database") == {"username": "shop", "password": "pl4nted-0ne", "vaulted": "pl4nted-v4ult"}
    login = json.loads(values(client, "pull")[".dockerconfigjson"])["auths"]["registry.example"]
    assert (login["username"], login["password"]) == ("shop", "pl4nted-t0ken")
    assert client.get(SECRET, "elsewhere", SPACE) is None

    client.merge_patch(NAMESPACE, SPACE, {"metadata": {"labels": {"team": "others"}}})
    client.merge_patch(SECRET, "database", {"stringData": {"theirs": "stays"}}, SPACE)
    before = client.get(SECRET, "database", SPACE)
    code, told = play(tmp_path)
    assert (code, "changed=0" in told) == (0, True), told
    assert client.get(SECRET, "database", SPACE) == before
    namespace = client.get(NAMESPACE, SPACE)
    assert namespace
    assert namespace["metadata"]["labels"]["team"] == "others"

    code, told = play(tmp_path, planted={"PLANTED_ONE": "pl4nted-n3w"})
    assert (code, "changed=1" in told) == (0, True), told
    assert "password: (another value)" in told
    assert values(client, "database") == {
        "username": "shop",
        "password": "pl4nted-n3w",
        "vaulted": "pl4nted-v4ult",
        "theirs": "stays",
    }


def test_a_reference_that_leads_nowhere_and_a_key_of_others_are_refused(client: KubeClient, tmp_path: Path) -> None:
    if client.get(NAMESPACE, SPACE) is None:
        client.create(NAMESPACE, {"metadata": {"name": SPACE}})
    body = {"metadata": {"name": "theirs"}, "data": {"token": base64.b64encode(b"theirs").decode()}}
    client.transport.send(_by("kubectl", body))
    lost = {"name": "lost", "data": {"token": {"environment": "NOBODY_SET_THIS"}}}
    theirs = [{"name": "theirs", "data": {"token": {"environment": "PLANTED_ONE"}}}]
    code, told = play(tmp_path, release_secrets=[*theirs, lost])
    assert (code, 'conflict with "kubectl"' in told) == (2, True), told
    assert "the environment has no NOBODY_SET_THIS" in told
    assert client.get(SECRET, "lost", SPACE) is None
    assert values(client, "theirs") == {"token": "theirs"}
    code, told = play(tmp_path, release_secrets=[{**theirs[0], "force": True}])
    assert code == 0, told
    assert values(client, "theirs") == {"token": "pl4nted-0ne"}


def _by(manager: str, body: dict[str, Any]) -> Any:
    from ansible_collections.runbook.release.plugins.module_utils.kube.faults import Asked
    from ansible_collections.runbook.release.plugins.module_utils.kube.transport import Request

    complete = {"apiVersion": "v1", "kind": "Secret", **body}
    asked = Asked("create", SECRET, SPACE, body["metadata"]["name"])
    return Request(asked, "POST", SECRET.path(SPACE), {"fieldManager": manager}, complete)
