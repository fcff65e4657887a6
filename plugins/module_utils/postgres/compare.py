# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a manifest says a database held, against what was found: one check for what agrees, one for each difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .dbprops import Properties, Setting
from .digest import Contents, LargeObjects
from .manifest import Check, Manifest
from .schema import Objects

MOST_NAMED = 20
MISSING = "missing"
_LONGEST = 300


def contents(expected: Contents, found: Contents) -> Iterator[Check]:
    """Rows and digest of every table; no sequence behind; all large objects."""
    yield from each("tables", _tables(expected), _tables(found))
    yield from _sequences(expected, found)
    yield from each("large objects", _large_objects(expected.large_objects), _large_objects(found.large_objects))


def schema(manifest: Manifest, archived: Objects, archived_sha256: str, found: Objects) -> Iterator[Check]:
    """``archived`` is the schema in the backup itself, which has to be the one the manifest recorded."""
    same = archived_sha256 == manifest.schema_sha256
    yield Check("schema in the archive", manifest.schema_sha256, archived_sha256, same)
    yield from each("schema", archived, found)


def database(expected: Properties, found: Properties) -> Iterator[Check]:
    """Owner, encoding, locale and permissions of the database itself; the comment on a copy is its maker's."""
    yield from each("database properties", _flat(expected), _flat(found))


def settings(
    expected: tuple[Setting, ...], found: tuple[Setting, ...], ignored: tuple[str, ...] = ()
) -> Iterator[Check]:
    """Settings of the database, and of roles in it; the values of applications' own ones by their hash."""
    yield from each("database settings", _values(expected, ignored), _values(found, ignored))


def extensions(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Check]:
    """All there; in which version is up to the server."""
    yield from each("extensions", dict.fromkeys(expected, "installed"), dict.fromkeys(found, "installed"))


def each(subject: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Check]:
    """A check for each of the first differences, named by its key, and one about the whole."""
    different = sorted(
        name for name in expected.keys() | found.keys() if expected.get(name, MISSING) != found.get(name, MISSING)
    )
    for name in different[:MOST_NAMED]:
        wanted, seen = _around(expected.get(name, MISSING), found.get(name, MISSING))
        yield Check(f"{subject}: {name}", wanted, seen, False)
    yield (
        Check(subject, f"{len(expected)} as recorded", f"{len(different)} different", not different)
        if (different)
        else Check(subject, f"{len(expected)} as recorded", f"{len(found)} as recorded", True)
    )


def _tables(of: Contents) -> dict[str, str]:
    return {table.name: f"{table.rows} rows, digest {table.digest}" for table in of.tables}


def _large_objects(of: LargeObjects) -> dict[str, str]:
    return {"all": f"{of.count} objects, digest {of.digest}"}


def _sequences(expected: Contents, found: Contents) -> Iterator[Check]:
    """A sequence that went on while the dump ran is as good as the recorded one."""
    there = {sequence.name: sequence for sequence in found.sequences}
    wanted, seen = {}, {}
    for sequence in expected.sequences:
        restored = there.get(sequence.name)
        wanted[sequence.name] = f"next is {sequence.next}"
        if restored is not None:
            seen[sequence.name] = f"next is {restored.next}" if restored.lags(sequence) else wanted[sequence.name]
    yield from each("sequences", wanted, seen)


def _flat(of: Properties) -> dict[str, Any]:
    plain = of.to_dict()
    del plain["comment"]
    grants = plain.pop("acl")
    return {
        **plain,
        **{
            f"{privilege} of {grantee or 'PUBLIC'}": f"grantable {grantable}"
            for grantee, privilege, grantable in grants
        },
    }


def _values(of: tuple[Setting, ...], ignored: tuple[str, ...]) -> dict[str, str]:
    return {one.title: one.value or f"sha256 {one.sha256}" for one in of if one.name not in ignored}


def _around(expected: Any, found: Any) -> tuple[Any, Any]:
    """Of two long texts the part from a little before where they part."""
    if not (isinstance(expected, str) and isinstance(found, str)):
        return expected, found
    parts = next((at for at, (one, other) in enumerate(zip(expected, found, strict=False)) if one != other), 0)
    start = max(0, parts - _LONGEST // 3)
    return tuple(_cut(text, start) for text in (expected, found))  # type: ignore[return-value]


def _cut(text: str, start: int) -> str:
    cut = text[start : start + _LONGEST]
    return ("… " if start and cut else "") + cut + (" …" if start + _LONGEST < len(text) else "")
