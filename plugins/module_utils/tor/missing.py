# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine lacks to run a release: commands, Python libraries and collections."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import ReleaseError
from .mistakes import unknown

KINDS = ("commands", "libraries", "collections")

_COLLECTION = re.compile(r"(?P<name>\w+\.\w+)\s*(?:>=\s*(?P<least>\d+(?:\.\d+)*))?")
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_PACKAGES = {
    "helm": "Helm 3 or 4",
    "k6": "k6",
    "ssh-keygen": "the OpenSSH client, 8.2 or newer",
    "pg_dump": "the PostgreSQL client of the server's major version",
    "pg_restore": "the PostgreSQL client of the server's major version",
}
_DISTRIBUTIONS = {"psycopg2": "psycopg2-binary", "yaml": "PyYAML", "dateutil": "python-dateutil"}


def missing(wanted: Mapping[str, Any]) -> list[str]:
    """One sentence for each thing that is not there, with how to install it."""
    if mistakes := unknown(wanted, KINDS):
        raise ReleaseError("; ".join(mistakes), where="what has to be there")
    found: list[str] = []
    for kind, look in (("commands", _command), ("libraries", _library), ("collections", _collection)):
        found += _each(wanted.get(kind) or (), look)
    return found


def libraries_of(criteria: Iterable[Mapping[str, Any]]) -> list[str]:
    """The Python libraries that criteria need beyond what every release needs."""
    sources = [criterion.get("source") or {} for criterion in criteria]
    databases = any(one.get("kind") == "sql" or (one.get("kind") == "model" and one.get("query")) for one in sources)
    return ["psycopg2"] if databases else []


def _each(names: Iterable[str], look: Callable[[str], str]) -> Iterator[str]:
    return (said for name in dict.fromkeys(map(str, names)) if (said := look(name)))


def _command(name: str) -> str:
    if shutil.which(name):
        return ""
    return (
        f"The command {name} is not there. Do: install {_PACKAGES.get(name, name)} on this machine, or run where it is."
    )


def _library(name: str) -> str:
    if _is_importable(name):
        return ""
    return f"The Python library {name} is not there. Do: pip install {_DISTRIBUTIONS.get(name, name)}."


def _collection(wanted: str) -> str:
    match = _COLLECTION.fullmatch(wanted.strip())
    if match is None:
        raise ReleaseError(
            f"{wanted!r} is not a collection", where="collections", remedy="write it as in community.postgresql>=3.4"
        )
    name, least = match["name"], match["least"] or ""
    install = f"Do: ansible-galaxy collection install '{name}{':>=' + least if least else ''}'."
    folder = _folder_of(name)
    if folder is None:
        return f"The collection {name} is not there. {install}"
    version = _version_in(folder)
    if least and _parts(version) < _parts(least):
        return f"The collection {name} is {version or 'of an unknown version'}, older than {least}. {install}"
    return ""


def _is_importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _folder_of(collection: str) -> Path | None:
    try:
        places = list(import_module(f"ansible_collections.{collection}").__path__)
    except ImportError:
        return None
    return Path(places[0]) if places else None


def _version_in(folder: Path) -> str:
    """What its MANIFEST.json says; empty for one that was never built."""
    try:
        return str(json.loads((folder / "MANIFEST.json").read_text("utf-8"))["collection_info"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _parts(version: str) -> tuple[int, ...]:
    match = _NUMBERS.match(version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
