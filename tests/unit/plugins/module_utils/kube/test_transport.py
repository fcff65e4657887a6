# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import socket
import ssl

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import (
    ApiError,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
    Unreachable,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP, DEPLOYMENT
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.scripted_api import (
    HangUp,
    Reply,
    ScriptedApi,
    failure,
)

PATH = "/api/v1/namespaces/shop/configmaps/a"
MAPS = "/api/v1/namespaces/shop/configmaps"
BUSY = failure(429, "too many requests", headers={"Retry-After": "3"})


def test_a_read_survives_what_a_restarting_api_server_does(api, client, fake_time):
    api.on("GET", PATH, Reply(503, b"down"), HangUp(), HangUp(reset=True), Reply(504), Reply(body={"ok": True}))
    assert client.get(CONFIGMAP, "a", "shop") == {"ok": True}
    assert fake_time.slept == [0.1, 0.2, 0.4, 0.8]


def test_retry_after_is_honoured_also_for_creates(api, client, fake_time):
    api.on("POST", MAPS, BUSY, Reply(201, {"ok": True}))
    assert client.create(CONFIGMAP, {"metadata": {"name": "a"}}, "shop") == {"ok": True}
    assert fake_time.slept == [3.0]


def test_retry_after_beyond_the_patience_ends_at_once(api, client, fake_time):
    api.on("GET", PATH, failure(429, "too many requests", headers={"Retry-After": "600"}))
    with pytest.raises(ApiError, match="overloaded") as caught:
        client.get(CONFIGMAP, "a", "shop")
    assert (caught.value.status, fake_time.slept) == (429, [])


def test_patience_ends(api, client, fake_time):
    api.on("GET", PATH, *[Reply(503, b"down")] * 30)
    with pytest.raises(ApiError, match="cannot get ConfigMap shop/a: down"):
        client.get(CONFIGMAP, "a", "shop")
    assert 20 < sum(fake_time.slept) <= 30


def test_internal_errors_are_tried_three_more_times(api, client):
    api.on("GET", PATH, *[failure(500, "etcdserver: leader changed")] * 4)
    with pytest.raises(ApiError, match="leader changed"):
        client.get(CONFIGMAP, "a", "shop")
    assert len(api.heard) == 4


def test_an_address_nobody_listens_on_gets_little_patience(fake_time):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        client = KubeClient(KubeAuth(host=url, api_key="x"), pacing=fake_time.pacing())
        with pytest.raises(Unreachable, match=r"cannot get ConfigMap shop/a: no answer from http://127.*refused"):
            client.get(CONFIGMAP, "a", "shop")
    assert sum(fake_time.slept) <= 5


@pytest.mark.parametrize(("errno", "asked_again"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)])
def test_a_host_that_does_not_exist_is_not_asked_again(fake_time, monkeypatch, errno, asked_again):
    def resolve(*args, **kwargs):
        raise socket.gaierror(errno, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    client = KubeClient(KubeAuth(host="http://cluster.example", api_key="x"), pacing=fake_time.pacing())
    with pytest.raises(Unreachable, match=r"Name or service not known.*check the server address"):
        client.get(CONFIGMAP, "a", "shop")
    assert bool(fake_time.slept) is asked_again


def test_a_read_that_gets_no_answer_in_time_is_tried_again(api, client, monkeypatch):
    from ansible_collections.runbook.release.plugins.module_utils.kube import transport

    stalled = ScriptedApi.next_line

    def stall_once(self, heard):
        line = stalled(self, heard)
        if len(self.heard) == 1:
            stop.wait(5)
        return line

    import threading

    stop = threading.Event()
    monkeypatch.setattr(ScriptedApi, "next_line", stall_once)
    request = transport.Request(transport.Asked("get", CONFIGMAP, "shop", "a"), "GET", PATH, read_timeout=0.05)
    api.on("GET", PATH, Reply(body={"late": True}), Reply(body={"ok": True}))
    assert client.transport.send(request).json() == {"ok": True}
    stop.set()


def test_401_says_to_renew_the_credential(api, client):
    api.on("GET", PATH, failure(401, "Unauthorized"))
    with pytest.raises(Unauthorized, match="renew the credential"):
        client.get(CONFIGMAP, "a", "shop")


def test_403_names_the_missing_rule(api, client):
    message = (
        'deployments.apps "web" is forbidden: User "system:serviceaccount:ci:bot" cannot patch resource '
        '"deployments/scale" in API group "apps" in the namespace "shop"'
    )
    api.on("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale", failure(403, message))
    with pytest.raises(Forbidden) as caught:
        client.scale(DEPLOYMENT, "web", 3, "shop")
    rule = '{apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["patch"]}'
    assert f"add the rule {rule} to a Role in namespace shop bound to system:serviceaccount:ci:bot" in str(caught.value)
    assert caught.value.details["missing_rule"] == {
        "apiGroups": ["apps"],
        "resources": ["deployments/scale"],
        "verbs": ["patch"],
        "namespace": "shop",
        "user": "system:serviceaccount:ci:bot",
    }


def test_403_of_a_policy_is_not_called_a_missing_rule(api, client):
    api.on("POST", MAPS, failure(403, "exceeded quota: small, requested: count/configmaps=1"))
    with pytest.raises(Forbidden, match="exceeded quota") as caught:
        client.create(CONFIGMAP, {"metadata": {"name": "a"}}, "shop")
    assert "missing_rule" not in caught.value.details


def test_404_of_the_namespace_says_so(api, client):
    details = {"kind": "namespaces", "name": "shop"}
    api.on("POST", MAPS, failure(404, 'namespaces "shop" not found', details=details))
    with pytest.raises(NotFound, match="create the namespace shop"):
        client.create(CONFIGMAP, {"metadata": {"name": "a"}}, "shop")


def test_422_carries_the_causes(api, client):
    causes = [{"field": "metadata.name", "message": "too long"}]
    api.on("POST", MAPS, failure(422, "ConfigMap is invalid", details={"causes": causes}))
    with pytest.raises(Invalid, match="cannot create ConfigMap shop/a: ConfigMap is invalid") as caught:
        client.create(CONFIGMAP, {"metadata": {"name": "a"}}, "shop")
    assert caught.value.details["causes"] == causes


def test_a_certificate_of_an_unknown_ca_is_unreachable_at_once(fake_time, tmp_path):
    with ScriptedApi(_self_signed(tmp_path)) as api:
        client = KubeClient(KubeAuth(host=api.url, api_key="x"), pacing=fake_time.pacing())
        with pytest.raises(Unreachable, match=r"certificate of https://127.* is not valid.*set ca_cert"):
            client.get(CONFIGMAP, "a", "shop")
        assert fake_time.slept == []


def test_validate_certs_false_and_ca_cert_both_reach_it(fake_time, tmp_path):
    with ScriptedApi(_self_signed(tmp_path)) as api:
        api.on("GET", PATH, Reply(body={"ok": 1}), Reply(body={"ok": 2}))
        lax = KubeClient(KubeAuth(host=api.url, api_key="x", validate_certs=False), pacing=fake_time.pacing())
        assert lax.get(CONFIGMAP, "a", "shop") == {"ok": 1}
        ca_cert = str(tmp_path / "cert.pem")
        strict = KubeClient(KubeAuth(host=api.url, api_key="x", ca_cert=ca_cert), pacing=fake_time.pacing())
        assert strict.get(CONFIGMAP, "a", "shop") == {"ok": 2}


def _self_signed(folder):
    """A TLS server context with a certificate for 127.0.0.1 that only its own CA file vouches for."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scripted")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
