# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate is issued anew, asked for as cert-manager is asked; a stand-in for cert-manager issues it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.certificate.rehearse import REHEARSAL, Issuer, rehearse
from ansible_collections.runbook.release.plugins.module_utils.certificate.renew import CERTIFICATE, Request, operate
from ansible_collections.runbook.release.plugins.module_utils.errors import NotReady, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import NAMESPACE, SECRET, Kind
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book

Obj = dict[str, Any]
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
DEFINITION = "certificates.cert-manager.io"
REAL, STAGING = Issuer("letsencrypt", "ClusterIssuer"), Issuer("letsencrypt-staging", "ClusterIssuer")
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@pytest.fixture(scope="module")
def client() -> Iterator[KubeClient]:
    """A cluster that knows the kind; made here unless cert-manager is there."""
    own = KubeClient()
    made = own.get(CRD, DEFINITION) is None
    if made:
        names = {"kind": "Certificate", "plural": "certificates"}
        version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
        schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": ANYTHING, "status": ANYTHING}}}
        spec = {"group": "cert-manager.io", "scope": "Namespaced", "names": names}
        body = {"metadata": {"name": DEFINITION}, "spec": {**spec, "versions": [{**version, "schema": schema}]}}
        own.create(CRD, body)
        for snapshot in own.watch([Watch(CRD, "")], time.monotonic() + 30):
            found = snapshot.objects[CRD][DEFINITION].get("status") or {}
            if any(one["type"] == "Established" and one["status"] == "True" for one in found.get("conditions") or []):
                break
    yield own
    if made:
        own.delete(CRD, DEFINITION)


@pytest.fixture
def space(client: KubeClient) -> Iterator[str]:
    name = f"certificate-case-{secrets.token_hex(3)}"
    client.create(NAMESPACE, {"metadata": {"name": name}})
    spec = {"secretName": "shop-tls", "dnsNames": ["shop.example.com"], "issuerRef": REAL.reference()}
    client.create(CERTIFICATE, {"metadata": {"name": "shop-tls"}, "spec": spec}, name)
    client.merge_patch(CERTIFICATE, "shop-tls", issued(1, 12), name, "status")
    yield name
    client.delete(NAMESPACE, name)


def issued(revision: int, days: int, issuing: Obj | None = None) -> Obj:
    end = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [{"type": "Ready", "status": "True", "message": "Certificate is up to date"}]
    return {
        "status": {"revision": revision, "notAfter": end, "conditions": [*conditions, *([issuing] if issuing else [])]}
    }


class StandInForCertManager(threading.Thread):
    """Answers each wish to issue a certificate with one status."""

    def __init__(self, space: str, answer: Obj) -> None:
        super().__init__(daemon=True)
        self.space, self.answer, self.client, self.wishes = space, answer, KubeClient(), 0

    def run(self) -> None:
        for snapshot in self.client.watch([Watch(CERTIFICATE, self.space)], time.monotonic() + 20):
            for name, found in snapshot.objects[CERTIFICATE].items():
                conditions = (found.get("status") or {}).get("conditions") or []
                if any(one["type"] == "Issuing" and one["status"] == "True" for one in conditions):
                    self.wishes += 1
                    self.client.merge_patch(CERTIFICATE, name, self.answer, self.space, "status")
                    return


def test_a_certificate_that_ends_soon_is_issued_anew_once(client: KubeClient, space: str) -> None:
    month = Request(space, "shop-tls", 30 * 86400.0, 20)
    looked = operate(KubeClient(dry_run=True), month, Book())
    assert (looked.plan.act, looked.report()["after"]["revision"]) == ("renew", 1)
    manager = StandInForCertManager(space, issued(2, 90))
    manager.start()
    report = operate(client, month, Book()).report()
    assert (report["changed"], report["before"]["revision"], report["after"]["revision"]) == (True, 1, 2)
    assert manager.wishes == 1
    again = operate(client, month, Book()).report()
    assert (again["changed"], again["after"]["revision"]) == (False, 2)


def test_a_certificate_that_is_not_issued_is_told_with_the_reason_and_stays(client: KubeClient, space: str) -> None:
    refusal = {"type": "Issuing", "status": "False", "reason": "Failed", "message": "rate limited by the authority"}
    StandInForCertManager(space, issued(1, 12, refusal)).start()
    with pytest.raises(NotReady, match="It was not issued: rate limited by the authority"):
        operate(client, Request(space, "shop-tls", None, 20), Book())
    with pytest.raises(Refused, match="no such certificate"):
        operate(client, Request(space, "other", None, 20), Book())


class StandInForAnIssuer(threading.Thread):
    """Answers a rehearsal with one status, and writes the Secret as cert-manager does, which stays when it goes."""

    def __init__(self, space: str, answer: Obj) -> None:
        super().__init__(daemon=True)
        self.space, self.answer, self.client = space, answer, KubeClient()
        self.asked: list[Obj] = []

    def run(self) -> None:
        for snapshot in self.client.watch([Watch(CERTIFICATE, self.space)], time.monotonic() + 60):
            found = snapshot.objects[CERTIFICATE].get("shop-tls-rehearsal")
            if found:
                self.asked.append(found["spec"])
                self.client.create(SECRET, {"metadata": {"name": found["spec"]["secretName"]}}, self.space)
                self.client.merge_patch(CERTIFICATE, "shop-tls-rehearsal", self.answer, self.space, "status")
                return


def left(client: KubeClient, space: str) -> list[str]:
    return [
        f"{kind.kind} {one['metadata']['name']}"
        for kind in (CERTIFICATE, SECRET)
        for one in client.list(kind, space)
        if one["metadata"]["name"].startswith("shop-tls")
    ]


def test_a_renewal_is_rehearsed_beside_the_certificate_that_serves_and_leaves_nothing(
    client: KubeClient, space: str
) -> None:
    before, asked = client.get(CERTIFICATE, "shop-tls", space), Request(space, "shop-tls", None, 60)
    assert rehearse(KubeClient(dry_run=True), asked, STAGING, Book())["plan"].endswith("would be asked for it")
    issuer = StandInForAnIssuer(space, issued(1, 90))
    issuer.start()
    report = rehearse(client, asked, STAGING, Book())
    assert report["plan"].startswith("ClusterIssuer letsencrypt-staging issued it after")
    issuer.join()
    assert (issuer.asked[0]["dnsNames"], issuer.asked[0]["issuerRef"]) == (["shop.example.com"], STAGING.reference())
    assert client.get(CERTIFICATE, "shop-tls", space) == before
    assert left(client, space) == ["Certificate shop-tls"]
    with pytest.raises(Refused, match="that would be no rehearsal"):
        rehearse(client, asked, REAL, Book())


def test_a_rehearsal_that_fails_says_why_and_what_a_dead_run_left_of_one_goes_first(
    client: KubeClient, space: str
) -> None:
    asked = Request(space, "shop-tls", None, 60)
    dead = {"metadata": {"name": "shop-tls-rehearsal", "annotations": {REHEARSAL: "shop-tls"}}, "spec": {}}
    client.create(CERTIFICATE, dead, space)
    client.create(SECRET, {"metadata": {"name": "shop-tls-rehearsal"}}, space)
    refusal = {"type": "Issuing", "status": "False", "reason": "Failed", "message": "the challenge is not answered"}
    answer = {"status": {"conditions": [{"type": "Ready", "status": "False"}, refusal]}}

    class AfterTheDead(StandInForAnIssuer):
        def run(self) -> None:
            for snapshot in self.client.watch([Watch(CERTIFICATE, self.space)], time.monotonic() + 60):
                found = snapshot.objects[CERTIFICATE].get("shop-tls-rehearsal")
                if found and found["spec"]:
                    self.client.merge_patch(CERTIFICATE, "shop-tls-rehearsal", self.answer, self.space, "status")
                    return

    AfterTheDead(space, answer).start()
    with pytest.raises(NotReady, match="The rehearsal was not issued: the challenge is not answered"):
        rehearse(client, asked, STAGING, Book())
    assert left(client, space) == ["Certificate shop-tls"]
    client.create(CERTIFICATE, {"metadata": {"name": "shop-tls-rehearsal"}, "spec": {}}, space)
    with pytest.raises(Refused, match="which is no rehearsal"):
        rehearse(client, asked, STAGING, Book())
