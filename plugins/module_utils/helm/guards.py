# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Everything that has to hold before a colour is installed; each guard says no before anything has changed."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..colours import other
from ..errors import Forbidden, NotFound
from ..kube.kinds import (
    CRONJOB,
    DEPLOYMENT,
    HPA,
    JOB,
    LIMITRANGE,
    NODE,
    POD,
    RESOURCEQUOTA,
    SECRET,
    SERVICE,
    STATEFULSET,
    Kind,
)
from . import headroom, selectors
from .objects import HELM_RELEASE, Obj, annotations_of, kind_name, name_of
from .observe import Have
from .plan import Hold, Plan, Scale
from .source import Rendering

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient


_ALIVE = "status.phase!=Succeeded,status.phase!=Failed"


class Permission(t.NamedTuple):
    verb: str
    kind: Kind
    subresource: str = ""


def check_installation(client: KubeClient, have: Have, plan: Plan, opposite: Rendering) -> list[str]:
    """Run every guard over a plan that installs a colour; what is merely suspicious comes back as warnings."""
    rendering = t.cast(Rendering, plan.rendering)
    selectors.refuse_shared_names(rendering.objects, opposite.objects)
    selectors.refuse_overlap(plan.target, rendering.objects, opposite.objects)
    namespace = have.target.namespace
    require_permissions(client, namespace, plan)
    require_valid(client, namespace, rendering)
    with ThreadPoolExecutor(max_workers=6) as pool:
        pods = pool.submit(client.list_metadata, POD, namespace)
        services = pool.submit(client.list, SERVICE, namespace)
        quotas = pool.submit(client.list, RESOURCEQUOTA, namespace)
        limits = pool.submit(client.list, LIMITRANGE, namespace)
        nodes = pool.submit(_unless_forbidden, lambda: (client.list(NODE), client.list(POD, fields=_ALIVE)))
        own = [(scale.kind, scale.name) for scale in have.colours[plan.target].scales]
        selectors.refuse_foreign_pods(rendering.objects, own, pods.result())
        warnings = _early_traffic(have, plan, rendering, services.result())
        quota = _unless_forbidden(quotas.result)
        ranges = _unless_forbidden(limits.result)
        room = nodes.result()
    demands = headroom.demands_of(rendering.objects, plan.capacity, have.colours[plan.target].workloads)
    defaults = headroom.defaults_of(ranges or [])
    if quota is None:
        warnings.append("ResourceQuotas may not be read: whether the second colour fits them is unknown")
    headroom.refuse_over_quota(quota or [], demands, defaults)
    warnings += _over_nodes(room, own, demands, defaults)
    return warnings


Read = t.TypeVar("Read")


def _unless_forbidden(read: t.Callable[[], Read]) -> Read | None:
    try:
        return read()
    except Forbidden:
        return None


def _over_nodes(
    room: tuple[list[Obj], list[Obj]] | None,
    own: t.Sequence[selectors.Owner],
    demands: list[headroom.Demand],
    defaults: Obj,
) -> list[str]:
    """The colour's present pods make room for its new ones, so they are not counted."""
    if room is None:
        return ["Nodes may not be listed: whether they have room for the second colour is unknown"]
    nodes, pods = room
    others = [pod for pod in pods if selectors.owner_of(pod) not in own]
    warning = headroom.refuse_over_nodes(nodes, others, demands, defaults)
    return [warning] if warning else []


def _early_traffic(have: Have, plan: Plan, rendering: Rendering, services: t.Sequence[Obj]) -> list[str]:
    if have.first:
        return []
    live = have.colours[other(plan.target)].release
    serving = {name_of(one) for one in services if annotations_of(one).get(HELM_RELEASE) == live}
    if have.target.entry.kind == "service":
        serving.add(have.target.entry.name)
    return selectors.refuse_early_traffic(rendering.objects, services, serving)


def require_valid(client: KubeClient, namespace: str, rendering: Rendering) -> None:
    """Let the API server judge every object as if it were applied, admission included, and keep none."""
    trial = client.beside(dry_run=True)

    def judge(obj: Obj) -> None:
        kind = _served(client, obj)
        if kind:
            trial.apply(kind, obj, namespace if kind.namespaced else "", force=True)

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(judge, rendering.objects))


def _served(client: KubeClient, obj: Obj) -> Kind | None:
    """The kind of an object; None when the chart brings the kind itself, among its crds."""
    try:
        return client.resolve(str(obj["apiVersion"]), kind_name(obj))
    except NotFound:
        return None


def require_permissions(client: KubeClient, namespace: str, plan: Plan) -> None:
    """Ask the API server about every right the plan needs, and name the first one that is missing."""
    needed = sorted(set(_permissions(client, plan)), key=lambda one: (one.kind.resource, one.verb, one.subresource))
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = pool.map(
            lambda one: client.allowed(one.verb, one.kind, _scope(one, namespace), subresource=one.subresource), needed
        )
        missing = [one for one, allowed in zip(needed, answers, strict=True) if not allowed]
    if missing:
        raise Forbidden(
            f"The account may not {', '.join(_sentence(one) for one in missing)}",
            where=f"namespace {namespace}",
            remedy=f"grant these rules in namespace {namespace}: {'; '.join(_rules(missing))}",
        )


def _permissions(client: KubeClient, plan: Plan) -> t.Iterator[Permission]:
    rendering = t.cast(Rendering, plan.rendering)
    for verb in ("list", "get", "create", "update"):
        yield Permission(verb, SECRET)
    yield from (Permission("watch", kind) for kind in (POD, DEPLOYMENT))
    yield Permission("patch", SERVICE)
    for obj in (*rendering.objects, *rendering.hooks):
        kind = _served(client, obj)
        yield from (Permission(verb, kind) for verb in ("get", "create", "patch") if kind)
    if rendering.workers:
        yield from (Permission(verb, kind) for verb in ("list", "watch") for kind in (CRONJOB, JOB))
    scaled = {"Deployment": DEPLOYMENT, "StatefulSet": STATEFULSET}
    for step in plan.steps:
        if isinstance(step, Scale):
            yield Permission("patch", scaled[step.workload[0]], "scale")
        if isinstance(step, Hold):
            yield Permission("patch", HPA)


def _scope(one: Permission, namespace: str) -> str:
    return namespace if one.kind.namespaced else ""


def _sentence(one: Permission) -> str:
    resource = "/".join(part for part in (one.kind.resource, one.subresource) if part)
    return f"{one.verb} {resource}"


def _rules(missing: t.Sequence[Permission]) -> list[str]:
    verbs: dict[tuple[str, str], list[str]] = {}
    for one in missing:
        resource = "/".join(part for part in (one.kind.plural, one.subresource) if part)
        verbs.setdefault((one.kind.group, resource), []).append(one.verb)
    return [
        f'{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: [{", ".join(allowed)}]}}'
        for (group, resource), allowed in verbs.items()
    ]
