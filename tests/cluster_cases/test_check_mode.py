# SPDX-License-Identifier: GPL-3.0-or-later
"""``deploy.yml --check`` writes nothing at all: the API server's own audit log says so, not the playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
INVENTORY = ROOT / "inventories" / "local"
AUDIT_LOG = os.environ.get("AUDIT_LOG", "")
OPERATOR = "system:serviceaccount:default:check-mode-operator"
SYSTEMS = {"podinfo": "podinfo", "novacron": "novacron", "service_entry": "service-entry"}
QUESTIONS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")
Event = dict[str, Any]

pytestmark = pytest.mark.skipif(not AUDIT_LOG, reason="this cluster's audit log cannot be read from here")


def kubectl(*argv: str) -> str:
    return subprocess.run([os.environ["KUBECTL"], *argv], check=True, capture_output=True, text=True).stdout


def playbook(path: str, *argv: str, kubeconfig: str = os.environ.get("KUBECONFIG", "")) -> str:
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), str(ROOT / path), f"--inventory={INVENTORY}", *argv],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "KUBECONFIG": kubeconfig},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kubeconfig of an account that nobody but the playbook uses: all it writes, the playbook wrote."""
    _system, _serviceaccount, namespace, name = OPERATOR.split(":")
    account = ("serviceaccount", name, f"--namespace={namespace}")
    binding = ("clusterrolebinding", name)
    kubectl("create", *account)
    kubectl("create", *binding, "--clusterrole=cluster-admin", f"--serviceaccount={namespace}:{name}")
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"] = {"token": kubectl("create", "token", name, f"--namespace={namespace}").strip()}
    path = tmp_path_factory.mktemp("operator") / "kubeconfig"
    path.write_text(json.dumps(config))
    yield str(path)
    kubectl("delete", *binding)
    kubectl("delete", *account)


@pytest.fixture(scope="module", autouse=True)
def systems() -> Iterator[None]:
    """Every system of the local inventory as it is before its first release."""
    kubectl("delete", "namespace", *SYSTEMS.values(), "--ignore-not-found")
    playbook("tests/local/prepare.yml")
    yield
    kubectl("delete", "namespace", *SYSTEMS.values())


@contextmanager
def audited() -> Iterator[Callable[[], list[Event]]]:
    """What the operator's account was seen to change, and what it only tried as a dry run, since the block began."""
    with Path(AUDIT_LOG).open() as log:
        log.seek(0, os.SEEK_END)

        def events() -> list[Event]:
            seen = [json.loads(line) for line in log]
            mine = [event for event in seen if event["user"]["username"] == OPERATOR]
            return [event for event in mine if event.get("objectRef", {}).get("resource") not in QUESTIONS]

        yield events


def kept(events: list[Event]) -> list[str]:
    """The requests whose outcome the cluster kept: a dry run says so in its URI, and nothing else counts as one."""
    return [f"{event['verb']} {event['requestURI']}" for event in events if "dryRun=All" not in event["requestURI"]]


def test_checking_the_first_release_of_every_system_writes_nothing(operator: str) -> None:
    with audited() as events:
        said = playbook("playbooks/deploy.yml", "--check", "--diff", "-e", "release_version=6.9.2", kubeconfig=operator)
        assert kept(events()) == []
    for system in SYSTEMS:
        assert f"{system}: " in said


def test_checking_the_next_release_writes_nothing_and_releasing_it_does(operator: str, tmp_path: Path) -> None:
    only = ("--limit=service_entry", "-e", f"release_record={tmp_path}")
    with audited() as events:
        playbook("playbooks/deploy.yml", *only, "-e", "release_version=6.9.2", kubeconfig=operator)
        assert any("/services/web" in write for write in kept(events())), "the audit log does not show a release"
    with audited() as events:
        said = playbook("playbooks/deploy.yml", "--check", *only, "-e", "release_version=6.9.3", kubeconfig=operator)
        assert kept(events()) == []
    assert "would: " in said
