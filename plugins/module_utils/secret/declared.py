# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""``release_secrets``: what is wrong with them, and the criteria about those that somebody else keeps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

OPTIONS = ("name", "clause", "type", "keys", "data", "registry", "force")
PLACES = ("environment", "file", "variable", "vault", "plain")
VAULT = ("path", "key", "mount")
REGISTRY = ("server", "username", "password")


def mistakes(given: Any) -> list[str]:
    """One sentence for everything that is wrong; never with what may be a secret."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        return ["release_secrets is no list of Secrets."]
    found = [f"release_secrets[{place}]{what}." for place, one in enumerate(given) for what in _of_secret(one)]
    names = [one.get("name") for one in given if isinstance(one, Mapping)]
    return found + [
        f"Secret {name} stands in release_secrets twice." for name in dict.fromkeys(names) if names.count(name) > 1
    ]


def of_reference(given: Any) -> Iterator[str]:
    """What is wrong with one reference."""
    if not isinstance(given, Mapping) or len(given) != 1 or not set(given) <= set(PLACES):
        yield f" is no reference: it needs exactly one of {', '.join(PLACES)}"
        return
    ((place, where),) = given.items()
    if place == "vault":
        if not isinstance(where, Mapping):
            yield ".vault is not a dictionary"
            return
        yield from (f".vault.{key} is unknown, known are {', '.join(VAULT)}" for key in where if key not in VAULT)
        yield from (f".vault.{key} is missing" for key in VAULT[:2] if not where.get(key))
    elif not isinstance(where, str) or not where:
        yield f".{place} is empty or not a text"


def written(one: Mapping[str, Any]) -> bool:
    """Whether a release writes it; otherwise somebody else keeps it."""
    return bool(one.get("data") or one.get("registry"))


def unwritten(tasks: Iterable[Mapping[str, Any]], given: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence for each task that fills a Secret of which nobody says where its values are kept."""
    filled = {one.get("name") for one in given if written(one)}
    asked = {one.get("name"): one["secret"].get("name") for one in tasks if isinstance(one.get("secret"), Mapping)}
    return [
        f"Task {task} fills the Secret {name}, and release_secrets does not say where its values are kept. "
        "Do: name one there that has data or registry."
        for task, name in asked.items()
        if name not in filled
    ]


def criteria(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """That each Secret somebody else keeps is there, and none of its keys is missing or empty."""
    return [
        {
            "name": f"Secret {one['name']} is there and filled",
            "clause": one.get("clause", ""),
            "source": {
                "kind": "kubernetes",
                "object_kind": "Secret",
                "api_version": "v1",
                "name": one["name"],
                "keys": list(one["keys"]),
            },
            "select": "missing_keys",
            "expect": "== 0",
            "remedy": "whoever keeps it has to fill these keys, or release_secrets has to say where they come from",
        }
        for one in given
        if not written(one)
    ]


def _of_secret(one: Any) -> Iterator[str]:
    if not isinstance(one, Mapping):
        yield " is not a dictionary"
        return
    if not one.get("name"):
        yield ".name is missing"
    yield from (f".{key} is unknown, known are {', '.join(OPTIONS)}" for key in one if key not in OPTIONS)
    ways = [key for key in ("keys", "data", "registry") if one.get(key)]
    if len(ways) != 1:
        yield " needs exactly one of data and registry, which say where it comes from, and keys, which others fill"
    elif "data" in ways:
        yield from _each("data", one["data"])
    elif "registry" in ways:
        yield from _of_registry(one["registry"])


def _each(name: str, references: Any) -> Iterator[str]:
    if not isinstance(references, Mapping):
        yield f".{name} is not a dictionary"
        return
    for key, reference in references.items():
        yield from (f".{name}.{key}{what}" for what in of_reference(reference))


def _of_registry(given: Any) -> Iterator[str]:
    if not isinstance(given, Mapping) or sorted(given) != sorted(REGISTRY):
        yield f".registry needs {', '.join(REGISTRY)}"
        return
    yield from (f".registry.password{what}" for what in of_reference(given["password"]))
