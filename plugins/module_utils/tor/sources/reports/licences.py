# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licences of the parts of a product, from a bill of materials in CycloneDX or SPDX, which Black Duck exports, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import unquote

from ....errors import ReleaseError
from ...expect import NothingMeasured
from ...subject import Subject
from .base import Finding, Report, document, made_at
from .expression import Licence, LicenceError

_NAMED = 30
_NOTHING = ("NOASSERTION", "NONE", "")


@dataclass(frozen=True, kw_only=True)
class Licences(Report):
    """Options, besides those of every report: `allowed` licences, as SPDX ids (also with an exception, `GPL-2.0-only
    WITH Classpath-exception-2.0`) or in the words of the report; `cleared`: parts that somebody looked at, NAME or
    NAME@VERSION.

    Selects: `parts`; `forbidden`, parts whose licence is none of the allowed ones; `unknown`, parts of which the report
    does not name an SPDX licence; `not_allowed`, both. Of `MIT OR GPL-3.0-only` one has to be allowed, of `MIT AND
    GPL-3.0-only` both. Several licences of a part count as joined by AND. The samples are parts.
    """

    allowed: tuple[str, ...]
    cleared: tuple[str, ...] = ()

    selects: ClassVar[Mapping[str, str | None]] = {"parts": "", "forbidden": "", "unknown": "", "not_allowed": ""}

    def look(self, content: str, select: str, subject: Subject) -> Finding:
        bill = _bill(document(content))
        if not bill.parts:
            raise NothingMeasured("the report names no part")
        forbidden, unknown = self._sorted(bill.parts)
        counts = {
            "parts": len(bill.parts),
            "forbidden": len(forbidden),
            "unknown": len(unknown),
            "not_allowed": len(forbidden) + len(unknown),
        }
        return Finding(
            [counts[select]] if select else [],
            len(bill.parts),
            bill.made,
            bill.versions,
            bill.digests,
            {"parts": len(bill.parts), "forbidden": forbidden[:_NAMED], "unknown": unknown[:_NAMED]},
        )

    def _sorted(self, parts: Sequence[_Part]) -> tuple[list[str], list[str]]:
        """Parts with a licence that is not allowed, and parts with one that nobody can tell."""
        allowed = frozenset(Licence.normal(licence) for licence in self.allowed)
        forbidden, unknown = [], []
        for part in parts:
            if {part.name, part.title} & set(self.cleared):
                continue
            said = f"{part.title}: {' AND '.join(part.licences) or 'no licence'}"
            try:
                if not part.permitted_by(allowed):
                    forbidden.append(said)
            except LicenceError:
                unknown.append(said)
        return forbidden, unknown


@dataclass(frozen=True)
class _Part:
    """`unclear` are those of its licences that are words and not SPDX."""

    name: str
    version: str
    licences: Sequence[str]
    unclear: Sequence[str] = ()

    @property
    def title(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name

    def permitted_by(self, allowed: frozenset[str]) -> bool:
        """LicenceError if nobody can tell."""
        asked = [text for text in self.licences if Licence.normal(text) not in allowed]
        if not self.licences or set(asked) & set(self.unclear):
            raise LicenceError(f"it is not known what the licence of {self.title} is")
        return all(Licence(text).permitted_by(allowed) for text in asked)


@dataclass(frozen=True)
class _Bill:
    parts: Sequence[_Part]
    made: datetime | None
    versions: Sequence[str]
    digests: Sequence[str]


def _bill(found: dict[str, Any]) -> _Bill:
    if found.get("bomFormat") == "CycloneDX":
        return _of_cyclonedx(found)
    if str(found.get("spdxVersion", "")).startswith("SPDX-2"):
        return _of_spdx(found)
    raise ReleaseError("it is neither CycloneDX in JSON nor SPDX 2 in JSON")


def _of_cyclonedx(found: dict[str, Any]) -> _Bill:
    metadata = found.get("metadata") or {}
    product = metadata.get("component") or {}
    return _Bill(
        [_cyclonedx_part(part) for part in _nested(found.get("components") or [])],
        made_at(metadata.get("timestamp")),
        [product["version"]] if product.get("version") else [],
        _digests(product.get("purl", "")),
    )


def _nested(components: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for part in components for one in (part, *_nested(part.get("components") or []))]


def _cyclonedx_part(part: Mapping[str, Any]) -> _Part:
    licences, unclear = [], []
    for entry in part.get("licenses") or []:
        named = entry.get("expression") or entry.get("license", {}).get("id")
        licences.append(named or entry["license"]["name"])
        if not named:
            unclear.append(licences[-1])
    return _Part(part["name"], part.get("version", ""), licences, unclear)


def _of_spdx(found: dict[str, Any]) -> _Bill:
    products = set(found.get("documentDescribes") or [])
    products |= {
        link["relatedSpdxElement"]
        for link in found.get("relationships") or []
        if link["relationshipType"] == "DESCRIBES" and link["spdxElementId"] == "SPDXRef-DOCUMENT"
    }
    packages = found.get("packages") or []
    described = [package for package in packages if package["SPDXID"] in products]
    links = [link for package in described for link in package.get("externalRefs") or []]
    return _Bill(
        [_spdx_part(package) for package in packages if package["SPDXID"] not in products],
        made_at(found["creationInfo"]["created"]),
        [package["versionInfo"] for package in described if package.get("versionInfo")],
        [digest for link in links for digest in _digests(link.get("referenceLocator", ""))],
    )


def _spdx_part(package: Mapping[str, Any]) -> _Part:
    """What somebody concluded counts more than what was declared."""
    said = [package.get("licenseConcluded") or "", package.get("licenseDeclared") or ""]
    licences = [text for text in said if text not in _NOTHING][:1]
    unclear = [text for text in licences if "LicenseRef-" in text]
    return _Part(package["name"], package.get("versionInfo", ""), licences, unclear)


def _digests(purl: str) -> list[str]:
    version = unquote(purl.partition("?")[0].partition("@")[2])
    return [version] if version.startswith("sha256:") else []
