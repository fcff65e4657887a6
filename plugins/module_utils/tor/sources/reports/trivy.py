# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Trivy found in an image or in files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from ....errors import ReleaseError
from ...expect import NothingMeasured
from ...subject import Subject
from .base import Finding, Report, document, made_at

_IMAGE = "container_image"
_SCANNED = ("os-pkgs", "lang-pkgs")
_SEVERITIES = ("critical", "high", "medium", "low", "unknown")
_ACCEPTED = re.compile(r"(?P<id>\S+) until (?P<day>\d{4}-\d\d-\d\d)")
_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Trivy(Report):
    """Options, besides those of every report: `artifact`, what was scanned in Trivy's words (`container_image`, whose
    report has to name the `digest`, that of the repository or the image id); `ignore_unfixed`: only what has a fix
    counts; `accepted`, a list of `CVE-2026-1234 until 2026-12-31` that do not count up to that day.

    Selects: `critical`, `high`, `medium`, `low`, `unknown` vulnerabilities, or `vulnerabilities`, all of them;
    `misconfigurations`. The samples are results, one for each target that Trivy looked into.
    """

    artifact: str = _IMAGE
    ignore_unfixed: bool = False
    accepted: tuple[str, ...] = ()

    selects: ClassVar[Mapping[str, str | None]] = {
        **dict.fromkeys(_SEVERITIES, ""),
        "vulnerabilities": "",
        "misconfigurations": "",
    }

    def check_options(self) -> list[str]:
        unread = [text for text in self.accepted if not _until(text)]
        mistakes = [f".accepted: {text!r} is not of the form CVE-2026-1234 until 2026-12-31" for text in unread]
        return super().check_options() + mistakes

    def look(self, content: str, select: str, subject: Subject) -> Finding:
        found = document(content)
        results = self._results(found, subject)
        metadata = found.get("Metadata") or {}
        evidence: dict[str, Any] = {"artifact": found.get("ArtifactName"), "results": len(results)}
        if select == "misconfigurations":
            values = [_misconfigurations(results)]
        else:
            _has_packages(results, metadata)
            open_ones = self._open(results)
            evidence["vulnerabilities"] = [f"{one['VulnerabilityID']} {one['Severity']}" for one in open_ones][:_NAMED]
            counts = Counter(one["Severity"].lower() for one in open_ones)
            if strange := counts.keys() - set(_SEVERITIES):
                raise ReleaseError(f"it has vulnerabilities of an unknown severity: {', '.join(sorted(strange))}")
            values = [len(open_ones) if select == "vulnerabilities" else counts[select]] if select else []
        return Finding(
            values,
            len(results),
            made_at(found.get("CreatedAt")),
            [tag.rpartition(":")[2] for tag in metadata.get("RepoTags") or []] if self.version else [],
            _digests(metadata),
            evidence,
        )

    def _results(self, found: dict[str, Any], subject: Subject) -> list[dict[str, Any]]:
        if found.get("SchemaVersion") != 2:
            raise ReleaseError(f"{self.path} has SchemaVersion {found.get('SchemaVersion')}; only 2 is known")
        if found.get("ArtifactType") != self.artifact:
            raise ReleaseError(f"{self.path} is about a {found.get('ArtifactType')}, not a {self.artifact}")
        if self.artifact == _IMAGE and not subject.digests:
            raise NothingMeasured("it is not said which image had to be scanned; set digest, or pin it by its digest")
        if self.artifact == _IMAGE and not _digests(found.get("Metadata") or {}):
            raise NothingMeasured("the report does not say which image it is about")
        results: list[dict[str, Any]] = found.get("Results") or []
        return results

    def _open(self, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        accepted = self._accepted(datetime.now(UTC).date())
        found = [one for result in results for one in result.get("Vulnerabilities") or []]
        fixed = [one for one in found if not self.ignore_unfixed or one.get("FixedVersion")]
        return [one for one in fixed if one["VulnerabilityID"] not in accepted]

    def _accepted(self, today: date) -> set[str]:
        return {until[0] for text in self.accepted if (until := _until(text)) and today <= until[1]}


def _until(text: str) -> tuple[str, date] | None:
    match = _ACCEPTED.fullmatch(text)
    try:
        return (match["id"], date.fromisoformat(match["day"])) if match else None
    except ValueError:
        return None


def _digests(metadata: Mapping[str, Any]) -> list[str]:
    named = [*(metadata.get("RepoDigests") or []), metadata.get("ImageID") or ""]
    return [name.rpartition("@")[2] for name in named if name]


def _has_packages(results: list[dict[str, Any]], metadata: Mapping[str, Any]) -> None:
    if not any(result.get("Class") in _SCANNED for result in results):
        raise NothingMeasured("Trivy recognised no packages")
    system = metadata.get("OS") or {}
    if system.get("EOSL"):
        name = f"{system.get('Family')} {system.get('Name')}"
        raise NothingMeasured(f"{name} gets no advisories any more, so nothing is known about its packages")


def _misconfigurations(results: list[dict[str, Any]]) -> int:
    summaries = [result["MisconfSummary"] for result in results if result.get("MisconfSummary")]
    if not summaries:
        raise NothingMeasured("no configuration was looked at; run Trivy with --scanners misconfig")
    return sum(int(summary["Failures"]) for summary in summaries)
