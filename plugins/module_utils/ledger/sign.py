# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads signed with an SSH key, by OpenSSH: ``ssh-keygen -Y``, which anybody can check without this collection."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ReleaseError
from ..ssh_keygen import NAMESPACE, said, ssh_keygen
from .canonical import canonical
from .chain import Head


@dataclass(frozen=True)
class SignedHead:
    """A head somebody vouches for."""

    head: Head
    signature: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> SignedHead:
        return cls(Head(int(record["number"]), str(record["sha256"])), str(record["signature"]))

    def report(self) -> dict[str, Any]:
        return {**self.head.report(), "signature": self.signature}

    @property
    def text(self) -> str:
        return canonical(self.report()).decode()


def message(release: str, head: Head) -> bytes:
    """What is signed: canonical JSON of the release's id, the head's number and its SHA-256."""
    return canonical({"release": release, **head.report()})


def sign(release: str, head: Head, key: str) -> SignedHead:
    """Sign with a private key file, or with a public one whose private half an SSH agent holds."""
    done = ssh_keygen(["-Y", "sign", "-q", "-f", key, "-n", NAMESPACE], message(release, head))
    if done.returncode:
        raise ReleaseError(
            f"the head of the ledger could not be signed: {said(done)}",
            where=key,
            remedy="give a private key without a passphrase, or the public key of one that an SSH agent holds",
        )
    return SignedHead(head, done.stdout.decode())


def signer_of(release: str, signed: SignedHead, allowed_signers: str) -> str:
    """Who signed, by the file of allowed signers; an error if nobody in it did, or for another head."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "head.sig")
        with open(file, "w") as stream:
            stream.write(signed.signature)
        found = ssh_keygen(["-Y", "find-principals", "-f", allowed_signers, "-s", file])
        who = found.stdout.decode().partition("\n")[0]
        if found.returncode or not who:
            raise _unproven(signed, allowed_signers, found)
        arguments = ["-Y", "verify", "-f", allowed_signers, "-I", who, "-n", NAMESPACE, "-s", file]
        checked = ssh_keygen(arguments, message(release, signed.head))
        if checked.returncode:
            raise _unproven(signed, allowed_signers, checked)
    return who


def _unproven(signed: SignedHead, allowed_signers: str, done: subprocess.CompletedProcess[bytes]) -> ReleaseError:
    return ReleaseError(
        f"the signature of head {signed.head.number} is not by an allowed signer: {said(done)}",
        where=allowed_signers,
        remedy="see who signed it, and whether release, number and sha256 are those that were signed",
    )
