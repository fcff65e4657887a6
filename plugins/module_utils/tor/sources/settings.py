# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a workload is set up, and where that differs from what is wanted: variables of its container, its resources.

The values of Secrets are read to see that they are there, and are never told.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...kube.kinds import CONFIGMAP, SECRET
from ..expect import ExpectError

if TYPE_CHECKING:
    from ...kube.client import KubeClient

Obj = Mapping[str, Any]
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_ASKED = ("matches", "distinct", "secret", "key", "optional", "absent")
_UNKNOWN = "is known in a pod only, and is compared with nothing"
_AMOUNTS = ("requests", "limits")


@dataclass(frozen=True)
class Found:
    """The value of one variable, None where it is only known in a pod; `secret` and `key` are where it comes from.

    `lost` says why it has none although it is declared.
    """

    value: str | None = None
    secret: str = ""
    key: str = ""
    lost: str = ""


@dataclass
class Settings:
    """What is wanted of the container of every workload that is asked about; `taken` remembers what has to differ."""

    client: KubeClient
    container: str = ""
    env: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    taken: dict[tuple[str, str], str] = field(default_factory=dict)
    _data: dict[tuple[str, str, str], Mapping[str, str] | None] = field(default_factory=dict)

    def deviations(self, found: Obj) -> list[str]:
        """One phrase for everything that is not as it is wanted."""
        if not self.env and not self.resources:
            raise ExpectError("deviations are from the options env and resources: set one of them")
        name, namespace = found["metadata"]["name"], found["metadata"].get("namespace", "")
        template = found if found["kind"] == "Pod" else found["spec"]["template"]
        container = _chosen(template, self.container)
        if container is None:
            return [f"it has no container {self.container}" if self.container else "it is not said which container"]
        there = dict(self._variables(container, namespace)) if self.env else {}
        wrong = [
            f"{variable} {what}"
            for variable, wanted in self.env.items()
            if (what := self._of_variable(name, variable, there.get(variable), wanted))
        ]
        return [*wrong, *_amounts(container.get("resources") or {}, self.resources)]

    def _variables(self, container: Obj, namespace: str) -> Iterator[tuple[str, Found]]:
        """In the order in which Kubernetes sets them, so the last one of a name counts."""
        for one in container.get("envFrom") or []:
            prefix = one.get("prefix") or ""
            for reference, kind in (("configMapRef", CONFIGMAP), ("secretRef", SECRET)):
                if one.get(reference):
                    origin = one[reference]["name"]
                    secret = origin if kind is SECRET else ""
                    for key, value in (self._of(kind, origin, namespace) or {}).items():
                        yield f"{prefix}{key}", Found(value, secret, key)
        for one in container.get("env") or []:
            yield one["name"], self._declared(one, namespace)

    def _declared(self, one: Obj, namespace: str) -> Found:
        source = one.get("valueFrom") or {}
        for reference, kind in (("configMapKeyRef", CONFIGMAP), ("secretKeyRef", SECRET)):
            if source.get(reference):
                origin, key = source[reference]["name"], source[reference]["key"]
                data = self._of(kind, origin, namespace)
                secret = origin if kind is SECRET else ""
                if data is None:
                    return Found("", secret, key, f"comes from {kind.kind} {origin}, which does not exist")
                lost = "" if key in data else f"comes from {kind.kind} {origin}, which has no key {key}"
                return Found(data.get(key, ""), secret, key, lost)
        return Found(None if source else str(one.get("value") or ""))

    def _of(self, kind: Any, name: str, namespace: str) -> Mapping[str, str] | None:
        """What stands in a ConfigMap or a Secret; None where there is no such object."""
        asked = (kind.kind, name, namespace)
        if asked not in self._data:
            found = self.client.get(kind, name, namespace)
            data = None if found is None else found.get("data") or {}
            self._data[asked] = {key: _plain(value) for key, value in data.items()} if data and kind is SECRET else data
        return self._data[asked]

    def _of_variable(self, workload: str, variable: str, there: Found | None, wanted: Any) -> str:
        """What is wrong with a variable, without its value where that is secret or may be."""
        asked: Mapping[str, Any] = wanted if isinstance(wanted, Mapping) else {}
        if asked.get("absent"):
            return "is set" if there else ""
        if there is None:
            return "" if asked.get("optional") else "is not set"
        if there.lost:
            return "" if asked.get("optional") else there.lost
        if there.value == "":
            return f"is empty{f' in Secret {there.secret}' if there.secret else ''}"
        return (
            (_elsewhere(there, asked) if asked.get("secret") else "")
            or (_unequal(there, wanted) if asked is not wanted else "")
            or (_unmatched(there, asked["matches"]) if asked.get("matches") else "")
            or (self._twice(workload, variable, there) if asked.get("distinct") else "")
        )

    def _twice(self, workload: str, variable: str, there: Found) -> str:
        if there.value is None:
            return _UNKNOWN
        other = self.taken.setdefault((variable, there.value), workload)
        return "" if other == workload else f"is the same as that of {other}"


def mistakes(env: Mapping[str, Any], resources: Mapping[str, Any]) -> list[str]:
    """What is wrong with what is wanted, each with the field it is in."""
    found = [f".env.{name}{what}" for name, wanted in env.items() for what in _of_wanted(wanted)]
    for part, amounts in resources.items():
        if part not in _AMOUNTS:
            found.append(f".resources.{part}: unknown, known are {', '.join(_AMOUNTS)}")
        elif not isinstance(amounts, Mapping):
            found.append(f".resources.{part}: not a dictionary")
    return found


def _of_wanted(wanted: Any) -> Iterator[str]:
    if wanted is None or isinstance(wanted, list):
        yield ": neither a text nor a dictionary"
    if not isinstance(wanted, Mapping):
        return
    yield from (f".{key}: unknown, known are {', '.join(_ASKED)}" for key in wanted if key not in _ASKED)
    if wanted.get("key") and not isinstance(wanted.get("secret"), str):
        yield ".key: needs the name of a secret"
    try:
        re.compile(str(wanted.get("matches") or ""))
    except re.error as exc:
        yield f".matches: is not a regular expression: {exc}"


def _chosen(template: Obj, name: str) -> Obj | None:
    """The container by its name, else the one that commands without a name mean, else the only one."""
    containers = template["spec"]["containers"]
    wanted = name or ((template.get("metadata") or {}).get("annotations") or {}).get(_DEFAULT_CONTAINER)
    if not wanted:
        return containers[0] if len(containers) == 1 else None
    return next((one for one in containers if one["name"] == wanted), None)


def _plain(encoded: str) -> str:
    """What is not text is there all the same."""
    try:
        return base64.b64decode(encoded).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return encoded


def _elsewhere(there: Found, asked: Mapping[str, Any]) -> str:
    secret, key = asked["secret"], asked.get("key")
    if not there.secret:
        return "does not come from a Secret"
    if isinstance(secret, str) and there.secret != secret:
        return f"comes from Secret {there.secret}, not from {secret}"
    return f"comes from the key {there.key}, not from {key}" if key and there.key != key else ""


def _unequal(there: Found, wanted: Any) -> str:
    text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    if there.value is None:
        return _UNKNOWN
    if there.value == text:
        return ""
    return f"is another one in Secret {there.secret}" if there.secret else f"is {there.value[:40]!r}, not {text!r}"


def _unmatched(there: Found, pattern: Any) -> str:
    if there.value is None:
        return _UNKNOWN
    return "" if re.search(str(pattern), there.value) else f"does not match {pattern}"


def _amounts(there: Obj, wanted: Mapping[str, Any]) -> Iterator[str]:
    """Without a request of its own a container requests its limit."""
    from ...helm.headroom import quantity

    limits = there.get("limits") or {}
    has = {"limits": limits, "requests": {**limits, **(there.get("requests") or {})}}
    for part, amounts in wanted.items():
        for resource, amount in amounts.items():
            own = has[part].get(resource)
            if own is None:
                yield f"{part}.{resource} is not set"
            elif quantity(own) != quantity(amount):
                yield f"{part}.{resource} is {own}, not {amount}"
