# SPDX-License-Identifier: GPL-3.0-or-later
"""A claim grows on a real API server; a stand-in for the driver of the storage, which this cluster lacks, resizes."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Forbidden, NotReady, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import NAMESPACE, PERSISTENTVOLUMECLAIM, Kind
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from ansible_collections.runbook.release.plugins.module_utils.volume.grow import (
    STORAGECLASS,
    Request,
    decide,
    observe,
    operate,
)

Obj = dict[str, Any]
VOLUME = Kind("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False)


@pytest.fixture
def client() -> KubeClient:
    return KubeClient()


@pytest.fixture(params=[True, False], ids=["grows", "fixed"])
def space(client: KubeClient, request: pytest.FixtureRequest) -> Iterator[str]:
    """A bound claim of one gibibyte, of a class that lets its volumes grow or does not."""
    name = f"volume-case-{secrets.token_hex(3)}"
    client.create(NAMESPACE, {"metadata": {"name": name}})
    grows = {"provisioner": "stand-in.example.com", "allowVolumeExpansion": request.param}
    client.create(STORAGECLASS, {"metadata": {"name": name}, **grows})
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": name}
    size = {"storage": "1Gi"}
    source = {"hostPath": {"path": f"/tmp/{name}"}, "persistentVolumeReclaimPolicy": "Retain"}
    client.create(VOLUME, {"metadata": {"name": name}, "spec": {**common, **source, "capacity": size}})
    claim = {"metadata": {"name": "data"}, "spec": {**common, "resources": {"requests": size}, "volumeName": name}}
    client.create(PERSISTENTVOLUMECLAIM, claim, name)
    for snapshot in client.watch([Watch(PERSISTENTVOLUMECLAIM, name)], time.monotonic() + 60):
        if (snapshot.objects[PERSISTENTVOLUMECLAIM]["data"].get("status") or {}).get("phase") == "Bound":
            break
    yield name
    client.delete(NAMESPACE, name)
    client.delete(VOLUME, name)
    client.delete(STORAGECLASS, name)


class StandInForTheDriver(threading.Thread):
    """Answers a claim that asks for more with one status."""

    def __init__(self, space: str, answer: Obj) -> None:
        super().__init__(daemon=True)
        self.space, self.answer, self.client = space, answer, KubeClient()

    def run(self) -> None:
        for snapshot in self.client.watch([Watch(PERSISTENTVOLUMECLAIM, self.space)], time.monotonic() + 60):
            claim = snapshot.objects[PERSISTENTVOLUMECLAIM]["data"]
            if claim["spec"]["resources"]["requests"]["storage"] != "1Gi":
                self.client.merge_patch(PERSISTENTVOLUMECLAIM, "data", {"status": self.answer}, self.space, "status")
                return


@pytest.mark.parametrize("space", [True], indirect=True)
def test_a_claim_has_the_size_when_its_driver_gave_it_and_shrinks_never(client: KubeClient, space: str) -> None:
    larger = Request(space, "data", "2Gi", 60)
    dry = operate(KubeClient(dry_run=True), larger, Book()).report()
    assert (dry["changed"], dry["after"]["requested"], observe(client, larger).requested) == (True, "2Gi", "1Gi")
    StandInForTheDriver(space, {"capacity": {"storage": "2Gi"}}).start()
    report = operate(client, larger, Book()).report()
    assert (report["changed"], report["after"]) == (True, {"requested": "2Gi", "capacity": "2Gi"})
    assert not operate(client, larger, Book()).report()["changed"]
    with pytest.raises(Refused, match="no volume ever shrinks"):
        operate(client, Request(space, "data", "1Gi", 60), Book())


@pytest.mark.parametrize("space", [True], indirect=True)
def test_a_driver_that_cannot_is_told_at_once(client: KubeClient, space: str) -> None:
    refusal = {"type": "ControllerResizeError", "status": "True", "message": "the account has no room"}
    StandInForTheDriver(space, {"conditions": [refusal]}).start()
    with pytest.raises(NotReady, match="It has 1Gi and not 2Gi: ControllerResizeError: the account has no room"):
        operate(client, Request(space, "data", "2Gi", 60), Book())


@pytest.mark.parametrize("space", [False], indirect=True)
def test_a_class_that_does_not_let_its_volumes_grow_is_refused_by_us_and_by_the_api_server(
    client: KubeClient, space: str
) -> None:
    larger = Request(space, "data", "2Gi", 60)
    with pytest.raises(Refused, match=f"StorageClass {space} does not let its volumes grow"):
        operate(client, larger, Book())
    assert decide(observe(client, larger), "2Gi", None, "here").act == "grow", "what cannot be read is not judged"
    body = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    with pytest.raises(Forbidden, match="only dynamically provisioned pvc can be resized"):
        client.merge_patch(PERSISTENTVOLUMECLAIM, "data", body, space)
