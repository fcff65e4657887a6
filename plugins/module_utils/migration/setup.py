# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""From the options of pg_migrate to what migrates: which kind, run by whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import Refused
from ..kube.kinds import DEPLOYMENT, STATEFULSET
from ..postgres import reach
from ..postgres.secret import password_of
from ..postgres.session import FIRST_TO_NOTICE, NOTICE
from . import files
from .busy import APPLICATION
from .decide import Want
from .job_runner import AsJob
from .job_spec import Task
from .kinds.alembic import Alembic
from .kinds.base import Kind
from .kinds.command import Command, Commands
from .kinds.sql import Settings, Sql
from .pod_runner import InPod, Place
from .runner import Here, Runner

if TYPE_CHECKING:
    from ..kube.client import KubeClient
    from ..postgres.server import Server

Params = Mapping[str, Any]

_LIKE = {"Deployment": DEPLOYMENT, "StatefulSet": STATEFULSET}
_LOGIN = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGSSLROOTCERT": "sslrootcert"}


def needs_cluster(params: Params) -> bool:
    """Whether anything of it is in a cluster; a migration of files over TCP is not."""
    return reach.needs_cluster(params["server"]) or any(params[name] for name in ("run", "job", "pod"))


def want_of(params: Params) -> Want:
    return Want(
        params["state"],
        params["name"],
        params["kind"],
        params["class"],
        params["to"] or "",
        params["backup"] or "",
        f"image {params['image']}" if params["image"] else f"folder {params['path']}",
    )


def kind_of(params: Params, server: Server, client: KubeClient | None) -> Kind:
    """What migrates."""
    if params["kind"] == "sql":
        settings = Settings(params["batch"], params["lock_timeout"], (params["run"] or {}).get("release") or "")
        return Sql(server, params["database"], params["path"], files.read(Path(params["path"])), settings)
    runner = _runner(params, client, session_options(params["lock_timeout"], server.identity().major))
    if params["kind"] == "alembic":
        return Alembic(runner, params["command"] or ["alembic"])
    return Command(runner, Commands(params["command"], params["history"] or (), params["down"] or ()))


def session_options(lock_timeout: int, major: int) -> str:
    """For the sessions of a command: seconds to wait for a lock; and they end when the command is killed."""
    notice = f" -c client_connection_check_interval={NOTICE}" if major >= FIRST_TO_NOTICE else ""
    return f"-c lock_timeout={lock_timeout * 1000}{notice}"


def _runner(params: Params, client: KubeClient | None, options: str) -> Runner:
    if params["path"]:
        return Here(params["path"], _environment(params, options), params["timeout"], _password(params, client))
    cluster = cast("KubeClient", client)
    if params["pod"]:
        pod = params["pod"]
        where = (pod["namespace"], pod["name"] or "", pod["selector"] or "", pod["container"] or "")
        return InPod(cluster, Place(*where, params["image"]), params["timeout"], options)
    return AsJob(cluster, _task(params, cluster, options))


def _environment(params: Params, options: str) -> dict[str, str]:
    """What libpq reads, so that the database is named once; the own environment of the option comes last."""
    server = params["server"] if params["server"]["mode"] == "tcp" else {}
    login = {name: str(server[option]) for name, option in _LOGIN.items() if server.get(option)}
    if mode := reach.sslmode_of(server) if server else "":
        login["PGSSLMODE"] = mode
    session = {"PGDATABASE": params["database"], "PGOPTIONS": options, "PGAPPNAME": APPLICATION}
    return {**login, **session, **{name: str(value) for name, value in (params["environment"] or {}).items()}}


def _password(params: Params, client: KubeClient | None) -> str:
    return password_of(params["server"], client) if params["server"]["mode"] == "tcp" else ""


def _task(params: Params, client: KubeClient, options: str) -> Task:
    job = params["job"]
    return Task(
        job["namespace"],
        params["name"],
        params["database"],
        (params["run"] or {}).get("release") or "",
        params["image"],
        job["spec"] or _pod_like(client, job["namespace"], job["like"]),
        job["container"] or "",
        params["timeout"],
        options,
    )


def _pod_like(client: KubeClient, namespace: str, like: Mapping[str, str]) -> Mapping[str, Any]:
    found = client.get(_LIKE[like["kind"]], like["name"], namespace)
    if found is None:
        raise Refused(
            f"There is no {like['kind']} {like['name']} to make the Job from. Nothing was changed",
            where=f"namespace {namespace}",
            remedy="name one that exists, or give the pod as job.spec",
        )
    return cast("Mapping[str, Any]", found["spec"]["template"]["spec"])


def keep_log(path: str | None, migration: str, said: str) -> None:
    """Added with the time to a file that only its owner reads, so that a second run keeps the words of the first."""
    if path and said:
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.chmod(0o600)
        with file.open("a") as log:
            log.write(f"== {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {migration}\n{said.rstrip()}\n")
