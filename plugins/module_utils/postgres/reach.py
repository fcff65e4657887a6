# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``server``, and the server it names; the twin of the documentation fragment ``postgres``."""

from __future__ import annotations

import ipaddress
import os
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import Refused
from ..kube.kinds import POD
from ..kube.readiness import is_pod_ready
from ..module import ArgumentSpec
from .job import ClientJob, Outcome, run_cronjob
from .pod import Account, PodServer
from .secret import password_of
from .server import Server
from .tcp import Login, TcpServer

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient
    from ..kube.pod_stream import PodStream

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_STANDBY = "select pg_is_in_recovery() as standby"
_SSLMODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_VERIFIED = _SSLMODES[-1]

_SUBOPTIONS: dict[str, dict[str, t.Any]] = {
    "mode": {"type": "str", "choices": ["tcp", "exec", "job"], "default": "tcp"},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
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
    "sslmode": {"type": "str", "choices": _SSLMODES},
    "sslrootcert": {"type": "path"},
    "bindir": {"type": "str"},
    "namespace": {"type": "str"},
    "pod": {"type": "str"},
    "selector": {"type": "str"},
    "container": {"type": "str"},
    "image": {"type": "str"},
    "cronjob": {"type": "str"},
    "timeout": {"type": "int", "default": 3600},
}


def server_option(*, required: bool = True) -> dict[str, t.Any]:
    """The specification of an option that names a server."""
    return {
        "type": "dict",
        "required": required,
        "options": _SUBOPTIONS,
        "mutually_exclusive": [
            ("password", "password_file", "password_secret"),
            ("pod", "selector"),
            ("image", "cronjob"),
        ],
        "required_if": [
            ("mode", "tcp", ["host"]),
            ("mode", "exec", ["namespace"]),
            ("mode", "exec", ["pod", "selector"], True),
            ("mode", "job", ["namespace"]),
            ("mode", "job", ["image", "cronjob"], True),
        ],
    }


SERVER_OPTIONS = ArgumentSpec({"server": server_option()})


def needs_cluster(given: Mapping[str, t.Any]) -> bool:
    """Whether a client of the cluster is needed to reach the server."""
    return given["mode"] != "tcp" or bool(given.get("password_secret"))


def server_of(given: Mapping[str, t.Any], client: KubeClient | None) -> Server:
    """The server an option names (its value, not the module's parameters)."""
    _refuse_cronjob(given)
    if given["mode"] == "tcp":
        return TcpServer(_login(given, password_of(given, client)), str(given.get("bindir") or ""))
    if client is None:
        raise Refused(f"server.mode {given['mode']} needs the cluster", remedy="set kubeconfig and context")
    if given["mode"] == "exec":
        return _in_pod(given, client)
    return _through_job(given, client)


def names_cronjob(given: Mapping[str, t.Any]) -> bool:
    """Whether a CronJob makes the backups of this server."""
    return given["mode"] == "job" and bool(given.get("cronjob"))


def cron_backup(given: Mapping[str, t.Any], client: KubeClient) -> Outcome:
    """Run the CronJob the option names; its backup is where its command put it, not in a store."""
    return run_cronjob(client, str(given["namespace"]), str(given["cronjob"]), float(given["timeout"]))


def _refuse_cronjob(given: Mapping[str, t.Any]) -> None:
    if names_cronjob(given):
        raise Refused(
            "a CronJob writes its backup itself: nothing else can be done through it",
            where=f"CronJob {given['namespace']}/{given['cronjob']}",
            remedy="set server.image to an image with the client programs, or server.mode to tcp or exec",
        )
    if given.get("cronjob"):
        raise Refused(
            f"server.mode {given['mode']} runs no CronJob", remedy="set server.mode to job, or leave out server.cronjob"
        )


def _login(given: Mapping[str, t.Any], password: str) -> Login:
    return Login(
        host=str(given["host"]),
        port=int(given.get("port") or 5432),
        user=str(given.get("user") or ""),
        password=password,
        sslmode=sslmode_of(given),
        sslrootcert=str(given.get("sslrootcert") or ""),
    )


def sslmode_of(given: Mapping[str, t.Any]) -> str:
    """What is asked for, here or in the environment; else TLS with a server that is verified, if it is elsewhere."""
    asked = str(given.get("sslmode") or os.environ.get("PGSSLMODE") or "")
    return asked or ("" if _is_here(str(given["host"])) else _VERIFIED)


def _is_here(host: str) -> bool:
    """A socket, or an address that never leaves this machine."""
    if host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _account(given: Mapping[str, t.Any], password: str) -> Account:
    return Account(
        user=str(given.get("user") or ""),
        password=password,
        host=str(given.get("host") or ""),
        port=int(given.get("port") or 0),
        sslmode=str(given.get("sslmode") or ""),
        sslrootcert=str(given.get("sslrootcert") or ""),
    )


def _in_pod(given: Mapping[str, t.Any], client: KubeClient) -> Server:
    namespace, account = str(given["namespace"]), _account(given, password_of(given, client))
    bindir, wanted = str(given.get("bindir") or ""), str(given.get("container") or "")

    def server(pod: Mapping[str, t.Any]) -> PodServer:
        name, container = str(pod["metadata"]["name"]), container_of(pod, wanted, namespace)

        def open(argv: Sequence[str]) -> PodStream:
            from ..kube.pod_stream import PodStream

            return PodStream(client.connection, name, namespace, container, argv)

        return PodServer(open, account, f"pod {namespace}/{name} ({container})", bindir)

    if given.get("pod"):
        pod = client.get(POD, str(given["pod"]), namespace)
        if pod is None:
            raise Refused(
                f"there is no pod {given['pod']}", where=f"namespace {namespace}", remedy="correct server.pod"
            )
        return server(pod)
    ready = [pod for pod in client.list(POD, namespace, labels=str(given["selector"])) if is_pod_ready(pod)]
    return _primary([server(pod) for pod in ready], f"pods {given['selector']} in namespace {namespace}")


def _primary(servers: Sequence[PodServer], where: str) -> PodServer:
    """The one server; among several the one that is no standby."""
    primaries = list(servers) if len(servers) == 1 else [one for one in servers if not _is_standby(one)]
    if len(primaries) == 1:
        return primaries[0]
    names = ", ".join(one.where for one in primaries)
    raise Refused(
        f"{len(primaries)} of {len(servers)} ready pods are a primary server" + (f": {names}" if names else ""),
        where=where,
        remedy="name one with server.pod, or correct server.selector",
    )


def _is_standby(server: PodServer) -> bool:
    with server:
        return bool(server.rows(_STANDBY)[0]["standby"])


def container_of(pod: Mapping[str, t.Any], wanted: str, namespace: str) -> str:
    """The container that is asked for, else the one the pod is about; ``Refused`` if it has none of that name."""
    names = [str(one["name"]) for one in pod["spec"]["containers"]]
    annotations = pod["metadata"].get("annotations") or {}
    chosen = wanted or str(annotations.get(DEFAULT_CONTAINER) or names[0])
    if chosen not in names:
        raise Refused(
            f"the pod has no container {chosen}",
            where=f"pod {namespace}/{pod['metadata']['name']}",
            remedy=f"set server.container; it has {', '.join(names)}",
        )
    return chosen


class _JobServer(PodServer):
    """Ends its Job with itself."""

    def __init__(self, job: ClientJob, account: Account, where: str, bindir: str) -> None:
        super().__init__(job.open, account, where, bindir)
        self._job = job

    def close(self) -> None:
        super().close()
        self._job.end()


def _through_job(given: Mapping[str, t.Any], client: KubeClient) -> Server:
    namespace, secret = str(given["namespace"]), given.get("password_secret")
    inside = secret and (secret.get("namespace") or namespace) == namespace
    job = ClientJob(client, namespace, str(given["image"]), float(given["timeout"]), secret if inside else None)
    account = _account(given, "" if inside else password_of(given, client))
    host = account.host or "its own environment's server"
    return _JobServer(job, account, f"{host} through Job {namespace}/{job.name}", str(given.get("bindir") or ""))
