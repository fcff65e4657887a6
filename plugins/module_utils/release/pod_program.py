# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A program of the collection that works in the cluster: a Job, its files, and the few rights it has. Pure."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..colours import PREFIX
from ..kube.kinds import CONFIGMAP, JOB, ROLE, ROLEBINDING, SERVICEACCOUNT, Kind

Obj = dict[str, Any]
DIGEST = PREFIX + "digest"
PLAN = "plan.json"
FOLDER, PACKAGE = "/runbook", "program"
KINDS = (JOB, ROLEBINDING, ROLE, SERVICEACCOUNT, CONFIGMAP)
"""In the order in which they are removed."""
KEEP_LOG = 24 * 3600
RESTARTS = 6
REHEARSAL = "rehearsal"


@dataclass(frozen=True)
class Image:
    """What the program runs in: an image with Python 3.9 or newer."""

    name: str
    pull_policy: str = "IfNotPresent"
    user: int = 65534


@dataclass(frozen=True)
class Program:
    """``modules`` are its files, of which the last one is run; ``rights`` are its rules in each namespace.

    ``called`` says what it is in a message, ``work`` names its container. ``ends_alone`` lets everything go with the
    Job, which is possible where all of it is in one namespace.
    """

    name: str
    namespace: str
    label: tuple[str, str]
    called: str
    work: str
    modules: Sequence[ModuleType]
    plan: Obj
    rights: Mapping[str, Sequence[Obj]]
    image: Image
    ends_alone: bool = False

    @property
    def data(self) -> dict[str, str]:
        files = {_key(module): inspect.getsource(module) for module in self.modules}
        return {**files, PLAN: json.dumps(self.plan, indent=1, sort_keys=True)}

    @property
    def digest(self) -> str:
        """Of everything a running pod depends on."""
        text = json.dumps([self.data, self.image.name, self.image.pull_policy, self.image.user], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def objects(self) -> list[tuple[Kind, Obj, str]]:
        """What the Job needs, in the order in which it is created; without the Job."""
        found: list[tuple[Kind, Obj, str]] = [
            (CONFIGMAP, {"metadata": self._metadata(), "data": self.data}, self.namespace),
            (SERVICEACCOUNT, {"metadata": self._metadata(), "automountServiceAccountToken": False}, self.namespace),
        ]
        for namespace, rules in sorted(self.rights.items()):
            found.append((ROLE, {"metadata": self._metadata(), "rules": list(rules)}, namespace))
            found.append((ROLEBINDING, self._binding(), namespace))
        return found

    def _binding(self) -> Obj:
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self.name}
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}
        return {"metadata": self._metadata(), "roleRef": role, "subjects": [subject]}

    def _metadata(self, **more: Any) -> Obj:
        return {"name": self.name, "labels": dict([self.label]), **more}

    def job(self) -> Obj:
        labels = {**dict([self.label]), "sidecar.istio.io/inject": "false"}
        metadata = {"labels": labels, "annotations": {"linkerd.io/inject": "disabled"}}
        return {
            "metadata": self._metadata(annotations={DIGEST: self.digest}),
            "spec": {
                "backoffLimit": RESTARTS,
                "ttlSecondsAfterFinished": KEEP_LOG,
                "template": {"metadata": metadata, "spec": self._pod()},
            },
        }

    def _pod(self) -> Obj:
        security: Obj = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        if self.image.user:
            security["runAsUser"] = self.image.user
        files = [{"key": _key(module), "path": _path(module)} for module in self.modules]
        items = [*files, {"key": PLAN, "path": PLAN}]
        return {
            "serviceAccountName": self.name,
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": 2,
            "securityContext": security,
            "initContainers": [self._container(REHEARSAL, "--rehearse")],
            "containers": [self._container(self.work)],
            "volumes": [{"name": PACKAGE, "configMap": {"name": self.name, "items": items}}],
        }

    def _container(self, name: str, *arguments: str) -> Obj:
        return {
            "name": name,
            "image": self.image.name,
            "imagePullPolicy": self.image.pull_policy,
            "command": ["python3", "-B", "-m", _module(self.modules[-1]), f"{FOLDER}/{PLAN}", *arguments],
            "workingDir": FOLDER,
            "resources": {"requests": {"cpu": "5m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
            "volumeMounts": [{"name": PACKAGE, "mountPath": FOLDER, "readOnly": True}],
        }


def rule(kind: Kind, name: str, *verbs: str) -> Obj:
    """A right on one object, by its name."""
    return {"apiGroups": [kind.group], "resources": [kind.plural], "resourceNames": [name], "verbs": list(verbs)}


def _module(module: ModuleType) -> str:
    """Its name below the program's package; the way from one module to another is the same as in the collection."""
    return f"{PACKAGE}.{module.__name__.partition('.module_utils.')[2]}"


def _path(module: ModuleType) -> str:
    return _module(module).replace(".", "/") + ".py"


def _key(module: ModuleType) -> str:
    return _module(module) + ".py"
