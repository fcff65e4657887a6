# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    DEPLOYMENT,
    HTTPROUTE,
    KNOWN,
    NAMESPACE,
    POD,
    kind_of,
)


def test_paths():
    assert POD.path("shop", "web-1", "log") == "/api/v1/namespaces/shop/pods/web-1/log"
    assert DEPLOYMENT.path("shop") == "/apis/apps/v1/namespaces/shop/deployments"
    assert DEPLOYMENT.path() == "/apis/apps/v1/deployments"
    assert NAMESPACE.path("ignored", "shop") == "/api/v1/namespaces/shop"
    assert HTTPROUTE.resource == "httproutes.gateway.networking.k8s.io"


def test_names_cannot_leave_their_path():
    assert POD.path("shop", "../../secrets") == "/api/v1/namespaces/shop/pods/..%2F..%2Fsecrets"


def test_an_object_without_namespace_is_refused():
    with pytest.raises(ReleaseError, match="Pod 'web' was asked for without a namespace"):
        POD.path("", "web")


def test_kind_of():
    assert kind_of({"apiVersion": "apps/v1", "kind": "Deployment"}) is DEPLOYMENT
    with pytest.raises(ReleaseError, match=r"Widget of example\.com/v1 is not a known kind\. Where: w"):
        kind_of({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}})


def test_every_known_kind_is_unique():
    assert len(KNOWN) == len({(kind.group, kind.plural) for kind in KNOWN.values()})
