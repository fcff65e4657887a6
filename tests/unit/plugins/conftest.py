# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id_ed25519"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops@example.com", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def allowed_signers(tmp_path: Path, key: Path) -> Path:
    path = tmp_path / "allowed_signers"
    path.write_text(f'ops@example.com namespaces="runbook.release" {key.with_suffix(".pub").read_text()}')
    return path


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a module warned about; in a process that has also loaded the controller its result does not carry that."""
    said: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, warning, **_more: said.append(warning))
    return said
