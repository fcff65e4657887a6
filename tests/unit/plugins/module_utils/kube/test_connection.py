# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sys

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.errors import Unauthorized, Unreachable
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import Connection, KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP
from ansible_collections.runbook.release.plugins.module_utils.kube.library import library
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.scripted_api import Reply

PATH = "/api/v1/namespaces/shop/configmaps/a"


@pytest.fixture(autouse=True)
def no_cluster_of_this_machine(monkeypatch, tmp_path):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def kubeconfig(tmp_path):
    def write(server="http://127.0.0.1:1", **user):
        path = tmp_path / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "staging",
            "clusters": [{"name": "one", "cluster": {"server": server}}],
            "users": [{"name": "me", "user": user}],
            "contexts": [
                {"name": "staging", "context": {"cluster": "one", "user": "me"}},
                {"name": "prod", "context": {"cluster": "one", "user": "me"}},
            ],
        }
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write


def exec_plugin(tmp_path, code):
    script = tmp_path / "plugin.py"
    script.write_text(code)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(script)],
        "interactiveMode": "Never",
    }


def test_token_of_the_kubeconfig(api, kubeconfig):
    api.on("GET", PATH, Reply(body={"ok": True}))
    client = KubeClient(KubeAuth(kubeconfig=kubeconfig(api.url, token="abc")))
    assert client.get(CONFIGMAP, "a", "shop") == {"ok": True}
    assert api.heard[0].headers["authorization"] == "Bearer abc"


def test_environment_names_the_kubeconfig(kubeconfig, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", kubeconfig("http://127.0.0.1:7", token="abc"))
    assert Connection(KubeAuth()).host == "http://127.0.0.1:7"


def test_a_list_of_kubeconfigs_is_merged_and_missing_ones_are_skipped(kubeconfig):
    path = kubeconfig("http://127.0.0.1:7", token="abc")
    assert Connection(KubeAuth(kubeconfig=f"{path}.missing:{path}")).host == "http://127.0.0.1:7"


def test_password_of_the_kubeconfig_and_of_the_options(kubeconfig):
    path = kubeconfig(username="me", password="secret")
    basic = {"authorization": "Basic bWU6c2VjcmV0"}
    assert Connection(KubeAuth(kubeconfig=path)).credential() == basic
    assert Connection(KubeAuth(host="http://127.0.0.1:1", username="me", password="secret")).credential() == basic


def test_exec_plugin_gives_the_token(kubeconfig, tmp_path):
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin = exec_plugin(tmp_path, f"print({json.dumps(json.dumps(credential))})")
    connection = Connection(KubeAuth(kubeconfig=kubeconfig(exec=plugin)))
    assert connection.credential() == {"authorization": "Bearer from-plugin"}


def test_exec_plugin_that_fails_is_named(kubeconfig, tmp_path):
    plugin = exec_plugin(tmp_path, "raise SystemExit('login expired')")
    with pytest.raises(Unauthorized, match=r"gave no credential: exec: .*login expired"):
        Connection(KubeAuth(kubeconfig=kubeconfig(exec=plugin)))


def test_unknown_context_lists_the_known_ones(kubeconfig):
    path = kubeconfig(token="abc")
    with pytest.raises(Unreachable) as caught:
        Connection(KubeAuth(kubeconfig=path, context="production"))
    assert str(caught.value) == (
        f"there is no context 'production' in the kubeconfig {path}. Do: set the option context; it has prod, staging."
    )


def test_kubeconfig_that_does_not_exist():
    with pytest.raises(Unreachable, match=r"no kubeconfig at /nowhere/config\. Do: set the option kubeconfig"):
        Connection(KubeAuth(kubeconfig="/nowhere/config"))


@pytest.mark.parametrize("content", ["{", "just a text", "", "clusters: 7"])
def test_kubeconfig_that_is_none(tmp_path, content):
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    with pytest.raises(Unreachable, match="kubeconfig"):
        Connection(KubeAuth(kubeconfig=str(path)))


def test_certificate_file_that_does_not_exist(kubeconfig):
    with pytest.raises(Unreachable, match=r"/nowhere/ca\.pem does not exist\. Do: correct the option ca_cert"):
        Connection(KubeAuth(kubeconfig=kubeconfig(token="abc"), ca_cert="/nowhere/ca.pem"))


def test_options_win_over_the_kubeconfig(kubeconfig):
    auth = KubeAuth(
        kubeconfig=kubeconfig("http://127.0.0.1:7", token="abc"), host="http://127.0.0.1:8/", api_key="mine"
    )
    connection = Connection(auth)
    assert (connection.host, connection.credential()) == ("http://127.0.0.1:8", {"authorization": "Bearer mine"})


def test_the_service_account_of_a_pod_without_kubeconfig(monkeypatch, tmp_path):
    incluster_config = library().config.incluster_config
    (tmp_path / "token").write_text("of-the-pod")
    (tmp_path / "ca.crt").write_text("a certificate")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setitem(incluster_config.os.environ, "KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setitem(incluster_config.os.environ, "KUBERNETES_SERVICE_PORT", "443")
    connection = Connection(KubeAuth())
    assert connection.host == "https://10.0.0.1:443"
    assert connection.credential()["authorization"].lower() == "bearer of-the-pod"


def test_a_proxy_is_taken_from_option_or_environment(monkeypatch):
    auth = KubeAuth(host="http://cluster.example", api_key="x")
    assert Connection(auth).configuration.proxy is None
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert Connection(auth).configuration.proxy == "http://proxy.example:3128"
    monkeypatch.setenv("no_proxy", "cluster.example")
    assert Connection(auth).configuration.proxy is None
    other = KubeAuth(host="http://cluster.example", api_key="x", proxy="http://other.example:1")
    assert Connection(other).configuration.proxy == "http://other.example:1"


def test_requests_go_through_the_proxy(api):
    api.on("GET", PATH, Reply(body={"through": "proxy"}))
    client = KubeClient(KubeAuth(host="http://cluster.example", api_key="x", proxy=api.url))
    assert client.get(CONFIGMAP, "a", "shop") == {"through": "proxy"}


def test_secrets_are_not_shown():
    shown = repr(KubeAuth(host="https://x", api_key="very-secret", username="me", password="also-secret"))
    assert "secret" not in shown
