# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm acts on the same cluster, as the same user, and no secret is in its arguments."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.runbook.release.plugins.module_utils.helm.access import environment, write_private
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth


def test_a_kubeconfig_is_handed_on(tmp_path: Path) -> None:
    found = environment(KubeAuth(kubeconfig="/etc/kube", context="prod"), str(tmp_path))
    assert found == {"HELM_DRIVER": "secret", "KUBECONFIG": "/etc/kube", "HELM_KUBECONTEXT": "prod"}


def test_options_beside_a_kubeconfig_overrule_it(tmp_path: Path) -> None:
    auth = KubeAuth(api_key="token", ca_cert="/ca", validate_certs=False, proxy="http://proxy", host="https://other")
    found = environment(KubeAuth(**{**vars(auth), "api_key": ""}), str(tmp_path))
    assert found["HELM_KUBEAPISERVER"] == "https://other"
    assert found["HELM_KUBECAFILE"] == "/ca"
    assert found["HELM_KUBEINSECURE_SKIP_TLS_VERIFY"] == "true"
    assert found["HTTPS_PROXY"] == "http://proxy"


def test_a_complete_set_of_options_becomes_a_private_kubeconfig(tmp_path: Path) -> None:
    auth = KubeAuth(host="https://api", username="ann", password="secret", ca_cert="/ca")
    path = Path(environment(auth, str(tmp_path))["KUBECONFIG"])
    assert path.stat().st_mode & 0o777 == 0o600
    config = json.loads(path.read_text())
    assert config["clusters"][0]["cluster"] == {"server": "https://api", "certificate-authority": "/ca"}
    assert config["users"][0]["user"] == {"username": "ann", "password": "secret"}


def test_a_private_file_is_private_from_the_start(tmp_path: Path) -> None:
    assert Path(write_private(str(tmp_path / "a"), "x")).stat().st_mode & 0o777 == 0o600
