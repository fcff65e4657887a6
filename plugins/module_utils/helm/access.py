# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""How helm reaches the cluster the module reaches: by environment and a private kubeconfig, never by argv."""

from __future__ import annotations

import json
import os
import typing as t

if t.TYPE_CHECKING:
    from ..kube.connection import KubeAuth


def environment(auth: KubeAuth, folder: str) -> dict[str, str]:
    """The variables that make helm act on the same cluster, as the same user, as these connection options."""
    variables = {"HELM_DRIVER": "secret"}
    if auth.complete:
        path = write_private(os.path.join(folder, "kubeconfig"), json.dumps(kubeconfig(auth)))
        return {**variables, "KUBECONFIG": path, "HELM_KUBECONTEXT": ""}
    if auth.kubeconfig:
        variables["KUBECONFIG"] = os.path.expanduser(auth.kubeconfig)
    given = {
        "HELM_KUBECONTEXT": auth.context,
        "HELM_KUBEAPISERVER": auth.host,
        "HELM_KUBETOKEN": auth.api_key,
        "HELM_KUBECAFILE": auth.ca_cert,
        "HELM_KUBEINSECURE_SKIP_TLS_VERIFY": "true" if auth.validate_certs is False else "",
        "HTTPS_PROXY": auth.proxy,
    }
    return {**variables, **{name: value for name, value in given.items() if value}}


def kubeconfig(auth: KubeAuth) -> dict[str, t.Any]:
    """A kubeconfig for an API server and a user that the options name completely."""
    cluster = _given(
        {
            "server": auth.host,
            "certificate-authority": "" if auth.validate_certs is False else auth.ca_cert,
            "insecure-skip-tls-verify": auth.validate_certs is False,
            "tls-server-name": auth.server_name,
            "proxy-url": auth.proxy,
        }
    )
    user = _given(
        {
            "token": auth.api_key,
            "username": auth.username,
            "password": auth.password,
            "client-certificate": auth.client_cert,
            "client-key": auth.client_key,
        }
    )
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "release", "cluster": cluster}],
        "users": [{"name": "release", "user": user}],
        "contexts": [{"name": "release", "context": {"cluster": "release", "user": "release"}}],
        "current-context": "release",
    }


def _given(values: dict[str, t.Any]) -> dict[str, t.Any]:
    return {key: value for key, value in values.items() if value}


def write_private(path: str, text: str) -> str:
    """A file only its owner can read, never there with wider permissions for even a moment."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path
