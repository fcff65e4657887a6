# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``server`` of a cache, and the server it names."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..errors import Refused
from ..kube.kinds import POD
from ..kube.readiness import is_pod_ready
from ..postgres.reach import container_of
from ..tor.sources.base import World
from ..tor.sources.secrets import Reference
from .base import Cache, Deadline
from .pod import PodCache
from .tcp import Login, TcpCache

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient
    from ..kube.pod_stream import PodStream

_PASSWORDS = ("password_file", "password_secret", "password_environment")
SERVER_OPTION: dict[str, t.Any] = {
    "type": "dict",
    "required": True,
    "options": {
        "mode": {"type": "str", "choices": ["tcp", "exec"], "default": "tcp"},
        "host": {"type": "str"},
        "port": {"type": "int", "default": 6379},
        "db": {"type": "int", "default": 0},
        "username": {"type": "str"},
        "password_file": {"type": "path", "no_log": False},
        "password_secret": {
            "type": "dict",
            "no_log": False,
            "options": {
                "name": {"type": "str", "required": True},
                "key": {"type": "str", "required": True, "no_log": False},
                "namespace": {"type": "str"},
            },
        },
        "password_environment": {"type": "str", "no_log": False},
        "tls": {"type": "bool", "default": False},
        "ca_cert": {"type": "path"},
        "namespace": {"type": "str"},
        "pod": {"type": "str"},
        "selector": {"type": "str"},
        "container": {"type": "str"},
    },
    "mutually_exclusive": [_PASSWORDS, ("pod", "selector")],
    "required_if": [
        ("mode", "tcp", ["host"]),
        ("mode", "exec", ["namespace"]),
        ("mode", "exec", ["pod", "selector"], True),
    ],
}
"""The twin of the documentation of the module cache_keys."""


def needs_cluster(given: Mapping[str, t.Any]) -> bool:
    return given["mode"] == "exec" or bool(given.get("password_secret"))


def cache_of(given: Mapping[str, t.Any], client: KubeClient | None, timeout: float) -> Cache:
    """The server an option names; all that it is asked has to be answered within ``timeout`` seconds."""
    login = _login(given, client)
    if given["mode"] == "tcp":
        return TcpCache(login, Deadline(timeout, f"{login.host}:{login.port}"))
    if client is None:
        raise Refused("server.mode exec needs the cluster", remedy="set kubeconfig and context")
    return _in_pod(given, client, login, timeout)


def _login(given: Mapping[str, t.Any], client: KubeClient | None) -> Login:
    if given.get("ca_cert") and not given["tls"]:
        raise Refused("server.ca_cert is given, and TLS is not used", remedy="set server.tls, or leave it out")
    secret = {name: value for name, value in (given.get("password_secret") or {}).items() if value}
    reference = Reference(
        "password", str(given.get("password_file") or ""), secret, str(given.get("password_environment") or "")
    )
    if given.get("username") and not reference.given:
        raise Refused("server.username is given without a password", remedy=f"set one of {', '.join(_PASSWORDS)}")
    world = World(str(given.get("namespace") or ""), None if client is None else lambda: client)
    return Login(
        host=str(given.get("host") or ""),
        port=int(given["port"]),
        db=int(given["db"]),
        username=str(given.get("username") or ""),
        password=reference.value(world),
        tls=bool(given["tls"]),
        ca_cert=str(given.get("ca_cert") or ""),
    )


def _in_pod(given: Mapping[str, t.Any], client: KubeClient, login: Login, timeout: float) -> Cache:
    namespace, named = str(given["namespace"]), given.get("pod")
    where = f"namespace {namespace}"
    if named:
        pods = [pod for pod in [client.get(POD, str(named), namespace)] if pod]
    else:
        pods = [pod for pod in client.list(POD, namespace, labels=str(given["selector"])) if is_pod_ready(pod)]
    if len(pods) != 1:
        raise Refused(
            f"there is no pod {named}" if named else f"{len(pods)} ready pods have the labels {given['selector']}",
            where=where,
            remedy="correct server.pod or server.selector; it has to mean one pod",
        )
    name = str(pods[0]["metadata"]["name"])
    container = container_of(pods[0], str(given.get("container") or ""), namespace)

    def open(argv: t.Sequence[str]) -> PodStream:
        from ..kube.pod_stream import PodStream

        return PodStream(client.connection, name, namespace, container, argv)

    where = f"pod {namespace}/{name} ({container})"
    return PodCache(open, login, Deadline(timeout, where), where)
