# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry has of an image: every tag with its manifest, what that consists of, and when it was made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from .decide import Image
from .registry import DIGEST, Registry

AT_ONCE = 8
_CREATED = "org.opencontainers.image.created"
# Builds that are to be the same each time say that they were made at the begin of time.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()

Given = Mapping[str, Any]


def tagged(registry: Registry) -> dict[str, str]:
    """The digest of each tag."""
    tags = registry.tags()
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return {tag: digest for tag, digest in zip(tags, pool.map(registry.digest, tags), strict=True) if digest}


def observe(registry: Registry, tags: Mapping[str, str], live: Iterable[str] = ()) -> list[Image]:
    """What is tagged, what of ``live`` is there without a tag, and what they consist of."""
    found = _manifests(registry, dict.fromkeys([*tags.values(), *filter(DIGEST.fullmatch, live)]))
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        created = dict(zip(found, pool.map(lambda one: _created(registry, one), found.values()), strict=True))
    names: dict[str, list[str]] = defaultdict(list)
    for tag, digest in sorted(tags.items()):
        names[digest].append(tag)
    return [
        Image(digest, tuple(names[digest]), _newest(digest, found, created), _parts(one))
        for digest, one in found.items()
    ]


def _manifests(registry: Registry, wanted: Iterable[str]) -> dict[str, Given]:
    found: dict[str, Given] = {}
    asked: set[str] = set()
    waiting = list(wanted)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        while waiting:
            asked |= set(waiting)
            answers = dict(zip(waiting, pool.map(registry.manifest, waiting), strict=True))
            there = {digest: one for digest, one in answers.items() if one is not None}
            found.update(there)
            parts = dict.fromkeys(part for one in there.values() for part in _parts(one))
            waiting = [part for part in parts if part not in asked]
    return found


def _parts(manifest: Given) -> tuple[str, ...]:
    told = [str(one.get("digest")) for one in manifest.get("manifests") or [] if isinstance(one, Mapping)]
    return tuple(one for one in told if DIGEST.fullmatch(one))


def _created(registry: Registry, manifest: Given) -> float | None:
    told = (manifest.get("annotations") or {}).get(_CREATED)
    config = str((manifest.get("config") or {}).get("digest") or "")
    if not told and DIGEST.fullmatch(config):
        told = (registry.config(config) or {}).get("created")
    return _moment(told)


def _moment(told: Any) -> float | None:
    try:
        at = datetime.fromisoformat(str(told))
    except ValueError:
        return None
    seconds = at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    return seconds if seconds >= _EARLIEST else None


def _newest(digest: str, found: Mapping[str, Given], created: Mapping[str, float | None]) -> float | None:
    """When it was made; a list was with the newest of its parts."""
    own = created[digest]
    times = [at for part in _parts(found[digest]) if (at := created.get(part)) is not None]
    return own if own is not None else max(times, default=None)
