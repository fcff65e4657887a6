# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of objects a release touches, and where the API server keeps them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from urllib.parse import quote

from ..errors import ReleaseError


@dataclass(frozen=True)
class Kind:
    """One resource of the API; ``plural`` is its name in paths and RBAC rules."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """Name for messages and RBAC, as kubectl writes it: ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Path of one object, or of the collection when ``name`` is empty (all namespaces when that is empty, too)."""
        if name and self.namespaced and not namespace:
            raise ReleaseError(
                f"{self.kind} {name!r} was asked for without a namespace", remedy="set the option namespace"
            )
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, *subresource.split("/")) if part]
        return "/" + "/".join(quote(part, safe=":") for part in parts)


def _core(kind: str, plural: str, namespaced: bool = True) -> Kind:
    return Kind("", "v1", kind, plural, namespaced)


CONFIGMAP = _core("ConfigMap", "configmaps")
ENDPOINTS = _core("Endpoints", "endpoints")
EVENT = _core("Event", "events")
LIMITRANGE = _core("LimitRange", "limitranges")
NAMESPACE = _core("Namespace", "namespaces", namespaced=False)
NODE = _core("Node", "nodes", namespaced=False)
PERSISTENTVOLUMECLAIM = _core("PersistentVolumeClaim", "persistentvolumeclaims")
POD = _core("Pod", "pods")
RESOURCEQUOTA = _core("ResourceQuota", "resourcequotas")
SECRET = _core("Secret", "secrets")
SERVICE = _core("Service", "services")
SERVICEACCOUNT = _core("ServiceAccount", "serviceaccounts")

DAEMONSET = Kind("apps", "v1", "DaemonSet", "daemonsets")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
REPLICASET = Kind("apps", "v1", "ReplicaSet", "replicasets")
STATEFULSET = Kind("apps", "v1", "StatefulSet", "statefulsets")

CRONJOB = Kind("batch", "v1", "CronJob", "cronjobs")
JOB = Kind("batch", "v1", "Job", "jobs")
HPA = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
PDB = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")

ENDPOINTSLICE = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
INGRESS = Kind("networking.k8s.io", "v1", "Ingress", "ingresses")
NETWORKPOLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
GATEWAY = Kind("gateway.networking.k8s.io", "v1", "Gateway", "gateways")
HTTPROUTE = Kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")

CLUSTERROLE = Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTERROLEBINDING = Kind(
    "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLEBINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
ACCESSREVIEW = Kind(
    "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False
)

KNOWN: dict[tuple[str, str], Kind] = {
    (kind.api_version, kind.kind): kind for kind in list(vars().values()) if isinstance(kind, Kind)
}


def known_kind(api_version: str, kind: str) -> Kind | None:
    """The constant above for ``apiVersion`` and ``kind``, if there is one; else ask ``KubeClient.resolve``."""
    return KNOWN.get((api_version, kind))


def kind_of(obj: t.Mapping[str, t.Any]) -> Kind:
    """The kind of an object or manifest, for the kinds above."""
    api_version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    found = known_kind(api_version, kind)
    if found is None:
        raise ReleaseError(
            f"{kind or 'an object without kind'} of {api_version or 'no apiVersion'} is not a known kind",
            where=str((obj.get("metadata") or {}).get("name", "")),
            remedy="check apiVersion and kind of the manifest",
        )
    return found
