# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The four things a release does with its ledger: add to it, verify it, seal it, hand it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ReleaseError
from . import export
from .chain import SEAL, Draft, Entry, Head
from .dsse import Signer
from .hide import hide
from .mirror import ENTRIES, HEADS, Mirror, pins
from .sign import SignedHead, sign, signer_of
from .stamp import Authority
from .store import Store
from .verify import Finding, verify

Report = dict[str, Any]


@dataclass(frozen=True)
class Outside:
    """What exists outside the cluster: the mirror, what was pinned, keys and who may sign."""

    mirror: Mirror | None = None
    pinned: Mapping[str, Any] = field(default_factory=dict)
    signing_key: str = ""
    allowed_signers: str = ""
    authority: Authority | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Outside:
        return cls(
            Mirror(params["mirror"]) if params["mirror"] else None,
            params["pinned"] or {},
            params["signing_key"] or "",
            params["allowed_signers"] or "",
            Authority(**params["timestamp"]) if params["timestamp"] else None,
        )

    def signed(self) -> list[SignedHead]:
        """The heads that say who signed them; the pinned one has to, if there is a list of who may."""
        heads = self.mirror.heads() if self.mirror else []
        if self.pinned and (self.pinned.get("signature") or self.allowed_signers):
            heads.append(SignedHead.of({**self.pinned, "signature": self.pinned.get("signature") or ""}))
        return heads

    def pins(self) -> list[Head]:
        pinned = [Head(self.pinned["number"], self.pinned["sha256"])] if self.pinned else []
        return [*pinned, *(pins(self.mirror) if self.mirror else [])]


def append(store: Store, outside: Outside, draft: Draft, secret: Sequence[str]) -> Report:
    """Add an entry, in the cluster first; then mirror it, and sign the new head."""
    clear = {"what": draft.what, "before": draft.before, "after": draft.after}
    entry = store.append(replace(draft, **hide(clear, secret, store.release)))
    return _kept(store, outside, entry, new=True)


def seal(store: Store, outside: Outside, who: str, fence: int) -> Report:
    """End the ledger; nothing can be added afterwards."""
    entry, new = store.seal(who, fence)
    return _kept(store, outside, entry, new)


def verified(store: Store, outside: Outside) -> Report:
    """What there is, when nothing is wrong with it, here and in the mirror; else an error with every finding."""
    texts, signers = _verified(store, outside)
    return {"changed": False, **_summary([Entry.parse(text) for text in texts]), "signers": signers, "findings": []}


def hand_out(store: Store, outside: Outside, target: str, files: Sequence[str]) -> Report:
    """Write the archive, unless it is there; a ledger with findings is never signed."""
    texts, signers = _verified(store, outside)
    signer, entries = Signer(outside.signing_key), [Entry.parse(text) for text in texts]
    members = [export.in_memory(ENTRIES, texts)]
    if outside.mirror and (heads := outside.mirror.heads()):
        members.append(export.in_memory(HEADS, [head.text for head in heads]))
    members += export.on_disk(files)
    payload = export.statement(store.release, store.namespace, entries, members)
    changed = not export.holds(target, payload, signer.keyid, stamped=outside.authority is not None)
    if changed and not store.client.dry_run:
        export.write(target, payload, members, signer, outside.authority)
    archive = {"path": target, "keyid": signer.keyid, "files": [member.report() for member in members]}
    if not (changed and store.client.dry_run):
        archive["sha256"] = export.file_digest(target)
    return {"changed": changed, **_summary(entries), "signers": signers, "archive": archive}


def _summary(entries: Sequence[Entry]) -> Report:
    return {"entries": len(entries), "head": entries[-1].head.report(), "sealed": entries[-1].what == SEAL}


def _kept(store: Store, outside: Outside, entry: Entry, new: bool) -> Report:
    """Mirror an entry that is in the cluster, and sign it as the head."""
    report: Report = {"changed": new, "entry": entry.report(), "head": entry.head.report()}
    if store.client.dry_run:
        return report
    mirror = outside.mirror
    if mirror:
        report["changed"] |= mirror.follow(entry, store.texts)
    if outside.signing_key:
        signed = sign(store.release, entry.head, outside.signing_key)
        report["head"] = signed.report()
        if mirror:
            report["changed"] |= mirror.keep(signed)
    return report


def _verified(store: Store, outside: Outside) -> tuple[list[str], list[str]]:
    """All entries, and who signed heads of them; an error if anything is wrong."""
    texts = store.texts()
    findings = _reports("cluster", verify(store.release, texts, outside.pins()))
    if outside.mirror:
        findings += _reports("mirror", verify(store.release, outside.mirror.texts()))
    if findings:
        raise ReleaseError(
            "the ledger is not what was written: "
            + "; ".join(f"{found['sentence']} ({found['source']})" for found in findings),
            where=store.where,
            remedy="keep all copies as they are, and find out who changed it",
            findings=findings,
        )
    if not outside.allowed_signers:
        return texts, []
    return texts, sorted({signer_of(store.release, head, outside.allowed_signers) for head in outside.signed()})


def _reports(source: str, findings: Sequence[Finding]) -> list[Report]:
    return [{"source": source, **finding.report()} for finding in findings]
