# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way to the cluster: every read and every guarded write of the collection goes through ``KubeClient``."""

from __future__ import annotations

import copy
import typing as t
from dataclasses import replace

from ..errors import ApiError, Conflict, Invalid, NotFound, Refused, ReleaseError
from .backoff import Pacing
from .connection import Connection, KubeAuth
from .faults import Asked, fault_of
from .kinds import ACCESSREVIEW, POD, SERVICE, Kind, known_kind
from .patches import failed_test, is_done, is_guarded, is_merged, managers_of
from .transport import Patience, Request, Retry, Transport

if t.TYPE_CHECKING:
    from datetime import datetime

    from .watch import Snapshot, Watch

FIELD_MANAGER = "runbook.release"
PAGE = 500
SERVICE_BODY_LIMIT = 8 * 1024 * 1024
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

Obj = dict[str, t.Any]
Objs = list[Obj]


class KubeClient:
    """Typed verbs over one connection. With ``dry_run`` the API server checks every write and keeps none.

    Safe to use from many threads. Errors are ``ApiError``s that name object, verb and remedy. ``guard`` is called
    before every attempt at a write and forbids it by an error. ``patience`` is how many seconds an API server that is
    away is waited for.
    """

    def __init__(
        self,
        auth: KubeAuth | None = None,
        *,
        dry_run: bool = False,
        pacing: Pacing | None = None,
        patience: float | None = None,
    ) -> None:
        self.auth = auth or KubeAuth()
        self.dry_run = dry_run
        self.guard: t.Callable[[], None] | None = None
        self.connection = Connection(self.auth)
        self.transport = Transport(self.connection, pacing, Patience.throughout(patience) if patience else None)
        self._kinds: dict[tuple[str, str], Kind] = {}

    def beside(self, *, dry_run: bool | None = None, patience: float | None = None) -> KubeClient:
        """Another client over the same connection, without the guard: for dry runs, and for what a guard asks."""
        twin = copy.copy(self)
        twin.guard = None
        twin.dry_run = self.dry_run if dry_run is None else dry_run
        if patience is not None:
            twin.transport = self.transport.with_patience(patience)
        return twin

    def check_guard(self) -> None:
        """For a write that another program makes with the same right: an error if it must not be made."""
        if self.guard is not None and not self.dry_run:
            self.guard()

    def close(self) -> None:
        self.connection.close()

    # reads

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj | None:
        """The object, or None when it (or its namespace, or its kind) does not exist."""
        asked = Asked("get", kind, namespace, name)
        try:
            return t.cast(Obj, self.transport.send(Request(asked, "GET", kind.path(namespace, name))).json())
        except NotFound:
            return None

    def list(self, kind: Kind, namespace: str = "", labels: str = "", fields: str = "") -> Objs:
        """All objects that match, of one namespace or of all; each complete with apiVersion and kind."""
        return [item for page in self._pages(kind, namespace, labels, fields) for item in _items(kind, page)]

    def list_metadata(self, kind: Kind, namespace: str = "", labels: str = "") -> Objs:
        """As ``list``, but metadata only: what to use for Secrets and for large objects."""
        pages = self._pages(kind, namespace, labels, accept=METADATA_ONLY)
        return [item for page in pages for item in page.get("items") or []]

    def list_page(
        self, kind: Kind, namespace: str = "", labels: str = "", fields: str = "", continue_: str = "", accept: str = ""
    ) -> Obj:
        """One page of a list as the API server sends it: items, resourceVersion, continue."""
        query: dict[str, str | int] = {"limit": PAGE}
        for key, value in (("labelSelector", labels), ("fieldSelector", fields), ("continue", continue_)):
            if value:
                query[key] = value
        request = Request(
            Asked("list", kind, namespace), "GET", kind.path(namespace), query, accept=accept or "application/json"
        )
        return t.cast(Obj, self.transport.send(request).json())

    def _pages(
        self, kind: Kind, namespace: str = "", labels: str = "", fields: str = "", accept: str = ""
    ) -> t.Iterator[Obj]:
        token = ""
        while True:
            page = self.list_page(kind, namespace, labels, fields, token, accept)
            yield page
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    def watch(
        self, kinds: t.Sequence[Watch], deadline: float, *, tick: float = 1.0
    ) -> t.Generator[Snapshot, None, None]:
        """Snapshots of everything watched: a full one first, then one after every change and every ``tick`` seconds.

        Ends at ``deadline`` (on the clock of ``time.monotonic``).
        """
        from .watch import snapshots

        return snapshots(self, kinds, deadline, tick)

    def server_version(self) -> str:
        """As the API server calls itself, for example ``v1.36.3``."""
        request = Request(Asked("get", name="/version"), "GET", "/version")
        return str(self.transport.send(request).json().get("gitVersion", ""))

    def now(self) -> datetime:
        """The API server's time, to the second: no operator's clock is read."""
        from datetime import UTC
        from email.utils import parsedate_to_datetime

        answer = self.transport.send(Request(Asked("get", name="/version"), "GET", "/version"))
        date = answer.headers.get("Date") or ""
        try:
            return parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            raise ReleaseError(
                f"The API server's answer has no usable Date header ({date!r}), so nobody can tell the time",
                remedy="let the proxy in front of the API server pass the Date header on",
            ) from None

    def resolve(self, api_version: str, kind: str) -> Kind:
        """The kind by name: from the known ones, else by asking the API server what it serves."""
        known = known_kind(api_version, kind) or self._kinds.get((api_version, kind))
        if known is None:
            from .discovery import discover

            known = self._kinds[(api_version, kind)] = discover(self.transport, api_version, kind)
        return known

    def allowed(self, verb: str, kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> bool:
        """Whether the current user may do this, as the API server's own authorizer says."""
        wanted = {"verb": verb, "group": kind.group, "resource": kind.plural, "namespace": namespace, "name": name}
        if subresource:
            wanted["subresource"] = subresource
        review = {"apiVersion": ACCESSREVIEW.api_version, "kind": ACCESSREVIEW.kind}
        body = {**review, "spec": {"resourceAttributes": {key: value for key, value in wanted.items() if value}}}
        request = Request(Asked("create", ACCESSREVIEW), "POST", ACCESSREVIEW.path(), body=body)
        return bool(self.transport.send(request).json().get("status", {}).get("allowed"))

    # writes

    def create(self, kind: Kind, body: Obj, namespace: str = "") -> Obj:
        """Create the object; ``Conflict`` when it exists. Not repeated when it is unknown whether it took effect.

        Under a guard, which nobody else passes meanwhile, it is: what is found then is what the first attempt created.
        """
        asked = Asked("create", kind, namespace, _name(body))
        retry = Retry.UNSENT if self.guard is None else Retry.SAFE
        request = Request(asked, "POST", kind.path(namespace), self._written(), _complete(kind, body), retry=retry)
        try:
            return t.cast(Obj, self._write(request))
        except Conflict as error:
            found = self.get(kind, _name(body), namespace) if error.uncertain else None
            if found is None:
                raise
            return found

    def apply(self, kind: Kind, body: Obj, namespace: str = "", force: bool = False) -> Obj:
        """Server-side apply of the fields in ``body``; ``Conflict`` names the managers of fields owned by others.

        What this collection owns through an earlier patch is no conflict.
        """
        asked = Asked("apply", kind, namespace, _name(body))
        query = {**self._written(), "force": "true" if force else "false"}
        try:
            return self._patch(kind, asked, _complete(kind, body), "apply-patch+yaml", Retry.SAFE, query)
        except Conflict as error:
            if force or error.details["managers"] != [FIELD_MANAGER]:
                raise
        return self.apply(kind, body, namespace, force=True)

    def merge_patch(self, kind: Kind, name: str, body: Obj, namespace: str = "", subresource: str = "") -> Obj:
        """JSON merge patch; put ``metadata.resourceVersion`` in ``body`` to make it fail when someone was faster.

        Its values are absolute, so under a guard, which nobody else passes meanwhile, it may be sent again. So may one
        with a resourceVersion: if the first one, whose answer was lost, had taken effect, that is success.
        """
        guarded = bool((body.get("metadata") or {}).get("resourceVersion")) or self.guard is not None
        retry = Retry.SAFE if guarded else Retry.UNSENT
        asked = Asked("patch", kind, namespace, name, subresource)
        try:
            return self._patch(kind, asked, body, "merge-patch+json", retry)
        except Conflict as error:
            found = self.get(kind, name, namespace) if error.uncertain else None
            if found is None or not is_merged(found, body):
                raise
            return found

    def json_patch(
        self, kind: Kind, name: str, ops: t.Sequence[t.Mapping[str, t.Any]], namespace: str = "", subresource: str = ""
    ) -> Obj:
        """JSON patch, guarded by its ``test`` operations.

        A failed test is a ``Conflict`` whose details say which path, what was expected and found, and who changed it.
        A guarded patch whose answer was lost is sent again; if the first one had taken effect, that is success.
        """
        retry = Retry.SAFE if is_guarded(ops) else Retry.UNSENT
        try:
            return self._patch(kind, Asked("patch", kind, namespace, name, subresource), ops, "json-patch+json", retry)
        except (Conflict, Invalid) as error:
            found = self.get(kind, name, namespace) if any(op["op"] == "test" for op in ops) else None
            if found is None:
                raise
            if error.uncertain and is_done(found, ops):
                return found
            failed = failed_test(found, ops)
            if failed is None:
                raise
            raise _overtaken(kind, namespace, name, found, failed) from error

    def scale(self, kind: Kind, name: str, replicas: int, namespace: str = "") -> Obj:
        """Set the number of replicas through the ``scale`` subresource."""
        body = {"spec": {"replicas": replicas}}
        return self._patch(kind, Asked("patch", kind, namespace, name, "scale"), body, "merge-patch+json", Retry.SAFE)

    def delete(self, kind: Kind, name: str, namespace: str = "", uid: str | None = None) -> bool:
        """Delete in the background; with ``uid`` only that very object. False when it was not there."""
        options: Obj = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if self.dry_run:
            options["dryRun"] = ["All"]
        asked = Asked("delete", kind, namespace, name)
        try:
            self._write(Request(asked, "DELETE", kind.path(namespace, name), body=options))
        except NotFound:
            return False
        return True

    # pods and services

    def logs(
        self,
        pod: str,
        namespace: str,
        container: str = "",
        previous: bool = False,
        tail: int = 100,
        limit: int = 65536,
        since: int = 0,
    ) -> str:
        """The last lines of one container, of so many seconds; empty while it has not started, or never ran before."""
        query: dict[str, str | int] = {"tailLines": tail, "limitBytes": limit}
        if container:
            query["container"] = container
        if previous:
            query["previous"] = "true"
        if since:
            query["sinceSeconds"] = since
        path = POD.path(namespace, pod, "log")
        try:
            answer = self.transport.send(
                Request(Asked("get", POD, namespace, pod, "log"), "GET", path, query, accept="*/*")
            )
        except Invalid:
            return ""
        return answer.body.decode("utf-8", "replace")

    def exec(
        self, pod: str, namespace: str, container: str, argv: t.Sequence[str], timeout: float = 30.0
    ) -> tuple[int, str]:
        """Run ``argv`` in a container: its exit code and what it wrote, both streams."""
        if self.dry_run:
            raise Refused(f"{argv[0]} is not run in pod {namespace}/{pod} in check mode: a command has no dry run")
        from .pod_exec import run_in_pod

        return run_in_pod(self.connection, pod, namespace, container, argv, timeout)

    def service_get(
        self,
        service: str,
        namespace: str,
        port: int | str,
        path: str,
        headers: t.Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> tuple[int, dict[str, str], bytes]:
        """GET from a Service through the API server's proxy, once: status, headers (lower case) and body.

        The body may have 8 MiB. A Service without endpoints answers 503. Prefix the Service with ``https:`` when it
        speaks TLS.
        """
        asked = Asked("get", SERVICE, namespace, service, "proxy")
        target = SERVICE.path(namespace, f"{service}:{port}", "proxy") + "/" + path.lstrip("/")
        request = Request(
            asked,
            "GET",
            target,
            accept="*/*",
            headers=headers,
            read_timeout=timeout,
            retry=Retry.UNSENT,
            body_limit=SERVICE_BODY_LIMIT,
        )
        answer = self.transport.answer(request)
        status = answer.status_object()
        if status is not None and answer.status in (401, 403, 404):
            raise fault_of(asked, answer.status, status)
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body

    # how writes are sent

    def _written(self) -> dict[str, str]:
        query = {"fieldManager": FIELD_MANAGER}
        if self.dry_run:
            query["dryRun"] = "All"
        return query

    def _patch(
        self, kind: Kind, asked: Asked, body: t.Any, patch: str, retry: Retry, query: t.Mapping[str, str] | None = None
    ) -> Obj:
        request = Request(
            asked,
            "PATCH",
            kind.path(asked.namespace, asked.name, asked.subresource),
            query or self._written(),
            body,
            content_type=f"application/{patch}",
            retry=retry,
        )
        return t.cast(Obj, self._write(request))

    def _write(self, request: Request) -> t.Any:
        guarded = replace(request, guard=self.check_guard) if self.guard is not None else request
        return self.transport.send(guarded).json()


def _items(kind: Kind, page: Obj) -> t.Iterator[Obj]:
    """The items of a list, with the apiVersion and kind the API server leaves out."""
    for item in page.get("items") or []:
        yield {"apiVersion": kind.api_version, "kind": kind.kind, **item}


def _complete(kind: Kind, body: Obj) -> Obj:
    return {"apiVersion": kind.api_version, "kind": kind.kind, **body}


def _name(body: Obj) -> str:
    metadata = body.get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _overtaken(kind: Kind, namespace: str, name: str, found: Obj, failed: tuple[str, t.Any, t.Any]) -> ApiError:
    path, expected, value = failed
    managers = managers_of(found, path)
    by = f" by {managers[0]}" if managers else ""
    asked = Asked("patch", kind, namespace, name)
    return Conflict(
        f"cannot patch {asked.object}: {path} is {value!r}, expected {expected!r}; it was changed{by}",
        status=422,
        verb="patch",
        object=asked.object,
        remedy="see who else changes this object, then run again: every step starts from what is there",
        path=path,
        expected=expected,
        found=value,
        managers=managers,
    )
