# SPDX-License-Identifier: GPL-3.0-or-later
"""Helm's own records, and operations that died half-way."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.helm.pending import is_abandoned
from ansible_collections.runbook.release.plugins.module_utils.helm.record import (
    Revision,
    decode,
    encode,
    manifest,
    mark_failed,
    revisions,
)

RECORD = {
    "name": "shop-green",
    "info": {"status": "pending-upgrade"},
    "manifest": "---\nkind: A\nmetadata: {name: a}\n",
}


def secret(number: int, status: str, release: str = "shop-green", **labels: str) -> dict[str, Any]:
    found = {"owner": "helm", "name": release, "version": str(number), "status": status, "createdAt": "1000", **labels}
    name = f"sh.helm.release.v1.{release}.v{number}"
    return {"metadata": {"name": name, "labels": found, "resourceVersion": "7"}, "data": {"release": encode(RECORD)}}


class Api:
    """A client that holds Helm's Secrets."""

    def __init__(self, *secrets: dict[str, Any]) -> None:
        self.secrets = {one["metadata"]["name"]: one for one in secrets}
        self.patched: list[Any] = []
        self.asked = ""

    def list_metadata(self, kind: Any, namespace: str, labels: str) -> list[dict[str, Any]]:
        self.asked = labels
        return list(self.secrets.values())

    def get(self, kind: Any, name: str, namespace: str) -> dict[str, Any] | None:
        return self.secrets.get(name)

    def json_patch(self, kind: Any, name: str, ops: Any, namespace: str) -> None:
        self.patched.append((name, ops))


def test_revisions_come_newest_first_by_number_not_by_name() -> None:
    api = Api(secret(9, "superseded"), secret(10, "deployed", modifiedAt="2000"), secret(2, "superseded"))
    found = revisions(api, "shop", ["shop-blue", "shop-green"])  # type: ignore[arg-type]
    assert api.asked == "owner=helm,name in (shop-blue,shop-green)"
    assert [one.number for one in found["shop-green"]] == [10, 9, 2]
    assert (found["shop-green"][0].deployed, found["shop-green"][0].modified) == (True, 2000)
    assert found["shop-blue"] == []


def test_a_record_survives_the_round_trip_and_reads_as_helm_writes_it() -> None:
    assert decode({"data": {"release": encode(RECORD)}}) == RECORD
    inner = base64.b64decode(base64.b64decode(encode(RECORD)))
    assert json.loads(gzip.decompress(inner)) == RECORD
    assert manifest(RECORD)[0]["metadata"]["name"] == "a"


@pytest.mark.parametrize("data", [{}, {"release": "!"}, {"release": base64.b64encode(b"xx").decode()}])
def test_a_damaged_record_is_an_error_that_names_it(data: Any) -> None:
    with pytest.raises(ReleaseError, match=r"cannot be read.*Secret sh\.helm"):
        decode({"metadata": {"name": "sh.helm.release.v1.shop.v1"}, "data": data})


def test_an_abandoned_operation_is_marked_failed_and_only_if_it_has_not_moved() -> None:
    api = Api(secret(4, "pending-upgrade"))
    (revision,) = revisions(api, "shop", ["shop-green"])["shop-green"]  # type: ignore[arg-type]
    mark_failed(api, "shop", revision)  # type: ignore[arg-type]
    ((name, (test, replace, label)),) = api.patched
    assert name == "sh.helm.release.v1.shop-green.v4"
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert decode({"data": {"release": replace["value"]}})["info"]["status"] == "failed"
    assert label["value"] == "failed"


def test_an_operation_belongs_to_somebody_until_its_timeout_has_passed() -> None:
    stuck = Revision("shop-green", 4, "pending-install", 1000, "sh.helm.release.v1.shop-green.v4")
    with pytest.raises(
        Refused, match=r"shop-green is pending-install since 299 s: another Helm operation may be running"
    ):
        is_abandoned(stuck, 1299, 300)
    assert is_abandoned(stuck, 1300, 300)
    assert not is_abandoned(Revision("shop-green", 4, "failed", 1000, "s"), 1001, 300)
