# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm acts on the same cluster, as the same user, and no secret is in its arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.helm.access import environment, kubeconfig, write_private
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import Connection, KubeAuth


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


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A kubeconfig with a user of its own, and the certificate of another one."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    paths = {name: str(tmp_path / name) for name in ("kubeconfig", "ca", "cert", "key")}
    cluster = {"server": "https://api:6443", "certificate-authority": paths["ca"], "tls-server-name": "kube.example"}
    content = {
        "current-context": "prod",
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "of-the-file", "user": {"token": "of-the-file"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "one", "user": "of-the-file"}}],
    }
    for path in paths.values():
        Path(path).write_text(json.dumps(content))
    return paths


@pytest.mark.parametrize("how", ["certificate", "password"])
def test_a_user_beside_a_kubeconfig_is_who_helm_is_too(tmp_path: Path, files: dict[str, str], how: str) -> None:
    given = {"username": "ann", "password": "secret"}
    told = given
    if how == "certificate":
        given = {"client_cert": files["cert"], "client_key": files["key"]}
        told = {"client-certificate": files["cert"], "client-key": files["key"]}
    connection = Connection(KubeAuth(kubeconfig=files["kubeconfig"], **given))
    config = json.loads(Path(environment(connection.options(), str(tmp_path))["KUBECONFIG"]).read_text())
    assert config["users"][0]["user"] == told
    assert config["clusters"][0]["cluster"] == {
        "server": "https://api:6443",
        "certificate-authority": files["ca"],
        "tls-server-name": "kube.example",
    }


def test_who_gives_no_user_leaves_it_to_the_kubeconfig(tmp_path: Path, files: dict[str, str]) -> None:
    auth = KubeAuth(kubeconfig=files["kubeconfig"], context="prod")
    assert Connection(auth).options() is auth


def test_authorities_and_no_verification_are_not_told_at_once(tmp_path: Path) -> None:
    """Helm refuses that."""
    auth = KubeAuth(host="https://api", api_key="x", ca_cert="/ca", validate_certs=False)
    assert kubeconfig(auth)["clusters"][0]["cluster"] == {"server": "https://api", "insecure-skip-tls-verify": True}


def test_a_private_file_is_private_from_the_start(tmp_path: Path) -> None:
    assert Path(write_private(str(tmp_path / "a"), "x")).stat().st_mode & 0o777 == 0o600
