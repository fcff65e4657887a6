# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Whether a version was released and stayed live in another environment, by the records of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from ..errors import Refused
from ..ledger.chain import Entry, Head
from ..ledger.sign import SignedHead
from ..ledger.verify import verify
from ..lock.holder import lease_name
from .images import Images, unlike
from .index import HOLDING, RELEASE, RELEASED, Attempt, Index, index_id
from .proven_records import Record
from .story import Story

Vouch = Callable[[str, SignedHead], str]
"""Who signed a head of a release; an error if nobody did who may."""


class Kept(Protocol):
    """Where the records are."""

    folder: str

    def index(self) -> Record: ...

    def of(self, release: str) -> Record: ...


@dataclass(frozen=True)
class Asked:
    """What has to be proven, at the moment ``at``: live since ``stood`` or longer, and released no longer ago than
    ``within``. ``pinned`` are the digests that the images of a component are named by, ``vouch`` is None where nobody
    has to sign.
    """

    system: str
    version: str
    environment: str
    at: datetime
    within: timedelta
    stood: timedelta = timedelta()
    pinned: Images = field(default_factory=dict)
    vouch: Vouch | None = None

    @property
    def remedy(self) -> str:
        return f"release {self.version} in {self.environment}, and keep its records where they are looked for"


@dataclass(frozen=True)
class Proof:
    """The release that proves it; ``head`` is that of its sealed ledger."""

    environment: str
    version: str
    release: str
    ended: str
    head: Mapping[str, Any]
    signer: str
    images: Mapping[str, list[str]]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Proof:
        """What ``report`` returned."""
        try:
            return cls(**given)
        except TypeError as error:
            raise Refused(
                "proof is no proof", where="option proof", remedy="give what state=verified returned"
            ) from error

    @property
    def sentence(self) -> str:
        signed = f", signed by {self.signer}" if self.signer else ""
        return f"{self.version} is proven by {self.release} in {self.environment}, which ended at {self.ended}{signed}"

    def report(self) -> dict[str, Any]:
        return {**asdict(self), "head": dict(self.head), "images": {**self.images}}


def judge(asked: Asked, kept: Kept) -> Proof:
    """The proof; ``Refused`` says what is wrong with it, where, and what to do."""
    known = kept.index()
    attempt = _standing(asked, _index(asked, known), known.where)
    _of_age(asked, attempt, kept.folder)
    record = kept.of(attempt.release)
    head = Head(int(attempt.head.get("number", 0)), str(attempt.head.get("sha256", "")))
    story = _story(asked, attempt, record, head)
    signer = _signer(asked, attempt, record, head)
    images = _images(asked, attempt, story, record)
    return Proof(asked.environment, asked.version, attempt.release, attempt.ended, head.report(), signer, images)


def _index(asked: Asked, record: Record) -> Index:
    """All releases that had begun by then."""
    if not record.texts:
        raise Refused(
            f"Nothing shows that {asked.version} was ever released in {asked.environment}: there is no index of its "
            "releases",
            where=record.where,
            remedy=asked.remedy,
        )
    _sound(record, index_id(lease_name(asked.system, asked.environment)), f"The index of {asked.environment}")
    entries = [Entry.parse(text) for text in record.texts]
    return Index.of(entry for entry in entries if _moment(entry.when) <= asked.at)


def _standing(asked: Asked, index: Index, where: str) -> Attempt:
    """The newest release of the version that went live, if nobody took it back."""
    every = [one for one in index.attempts if one.kind == RELEASE and one.version == asked.version]
    released = [one for one in every if one.verdict == RELEASED]
    if not every:
        raise Refused(f"{asked.version} was never released in {asked.environment}", where=where, remedy=asked.remedy)
    last = every[-1]
    if not released:
        ending = f"ended {last.verdict}" if last.verdict else "has not ended"
        told = f"{asked.version} did not go live in {asked.environment}: {last.release} {ending}"
        raise Refused(told, where=where, remedy=asked.remedy)
    for one in every[every.index(released[-1]) + 1 :]:
        if one.verdict in HOLDING or (one.takes_back and not one.verdict):
            ending = f"ended {one.verdict}" if one.verdict else "is taking it back"
            told = f"{asked.version} did not stay live in {asked.environment}: {one.release} {ending}"
            raise Refused(told, where=where, remedy=asked.remedy)
    return released[-1]


def _of_age(asked: Asked, attempt: Attempt, where: str) -> None:
    age = asked.at - _moment(attempt.ended)
    what = f"{asked.version} was released in {asked.environment}"
    if age > asked.within:
        raise Refused(
            f"{what} {_days(age)} ago, and that counts for {_days(asked.within)}",
            where=f"{attempt.release} in {where}",
            remedy=f"release it in {asked.environment} again",
        )
    if age < asked.stood:
        raise Refused(
            f"{asked.version} has been live in {asked.environment} for {_days(age)}, and has to be for "
            f"{_days(asked.stood)}",
            where=f"{attempt.release} in {where}",
            remedy=f"wait for another {_days(asked.stood - age)}",
        )


def _story(asked: Asked, attempt: Attempt, record: Record, head: Head) -> Story:
    """What the sealed ledger of the release says, which has to be what the index says of it."""
    if not record.texts:
        raise Refused(
            f"The record of {attempt.release} is not there, which released {asked.version} in {asked.environment}",
            where=record.where,
            remedy="put its folder or its archive there",
        )
    _sound(record, attempt.release, f"The ledger of {attempt.release}", head)
    story = Story.of(Entry.parse(text) for text in record.texts)
    wanted = {"system": asked.system, "environment": asked.environment, "version": asked.version}
    said = {name: str(story.begun.get(name, "")) for name in wanted}
    if said != wanted or story.verdict != RELEASED or not story.sealed or story.last is None or story.last.head != head:
        about = ", ".join(f"{name} {value or 'unknown'}" for name, value in said.items())
        ending = f"{story.verdict or 'no end'}{'' if story.sealed else ', not sealed'}"
        raise Refused(
            f"The ledger of {attempt.release} is about something else than the index says: {about}, {ending}",
            where=record.where,
            remedy="find out who changed either; " + asked.remedy,
        )
    return story


def _sound(record: Record, release: str, what: str, *pins: Head) -> None:
    findings = verify(release, record.texts, pins)
    if findings:
        raise Refused(
            f"{what} is not what was written: " + "; ".join(found.sentence for found in findings),
            where=record.where,
            remedy="keep it as it is, and find out who changed it; nothing is released on its word",
            findings=[found.report() for found in findings],
        )


def _signer(asked: Asked, attempt: Attempt, record: Record, head: Head) -> str:
    if asked.vouch is None:
        return ""
    signed = [one for one in record.heads if one.head == head]
    if not signed:
        raise Refused(
            f"Nobody signed the end of {attempt.release}, which released {asked.version} in {asked.environment}",
            where=record.where,
            remedy=f"set release_signing_key in {asked.environment}, and release {asked.version} there again",
        )
    return asked.vouch(attempt.release, signed[-1])


def _images(asked: Asked, attempt: Attempt, story: Story, record: Record) -> dict[str, list[str]]:
    images = {str(name): [str(one) for one in ones] for name, ones in (story.ended.get("images") or {}).items()}
    if not images:
        raise Refused(
            f"{attempt.release} did not record which images it left running in {asked.environment}",
            where=record.where,
            remedy=f"release {asked.version} in {asked.environment} again",
        )
    if others := unlike(asked.pinned, images):
        raise Refused(
            f"{asked.version} was proven in {asked.environment} with other images: {'; '.join(others)}",
            where=record.where,
            remedy=f"release the images that {attempt.release} ran, or prove these in {asked.environment}",
            proven=images,
        )
    return images


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _days(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
