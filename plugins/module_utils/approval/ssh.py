# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Signatures by ``ssh-keygen -Y`` in the namespace of the collection, checked against an allowed_signers file."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import Refused
from ..ssh_keygen import NAMESPACE, said, ssh_keygen

FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/=]+")
PATTERN = re.compile(r"[*?!]")


@dataclass(frozen=True)
class Approver:
    """Who signed: the principals of a key, the first of them is shown, and the fingerprint of the key."""

    principals: tuple[str, ...]
    key: str

    @property
    def name(self) -> str:
        return self.principals[0]


class Unsigned(Exception):
    """A signature that proves nothing; the text says why."""


def sign(key: Path, text: bytes) -> str:
    """The armoured signature. A key with a passphrase has to be in the agent."""
    done = ssh_keygen(["-Y", "sign", "-f", str(key), "-n", NAMESPACE], text)
    if done.returncode:
        raise Refused(
            f"ssh-keygen cannot sign with {key}: {said(done)}",
            remedy="name a private key of yours; if it has a passphrase, ssh-add it and name its .pub file",
        )
    return done.stdout.decode()


def fingerprint(key: Path) -> str:
    done = ssh_keygen(["-l", "-E", "sha256", "-f", str(key)])
    found = FINGERPRINT.search(done.stdout.decode(errors="replace"))
    if done.returncode or not found:
        raise Refused(f"{key} is not a key: {said(done)}", remedy="name the file of your private or public key")
    return found[0]


def verify(signers: Path, text: bytes, signature: str) -> Approver:
    """The approver by whose key ``text`` was signed; ``Unsigned`` if it was not, or by nobody listed."""
    if not signers.is_file():
        raise Unsigned(f"there is no file {signers}")
    with tempfile.NamedTemporaryFile("w", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        listed = ssh_keygen(["-Y", "find-principals", "-s", file.name, "-f", str(signers)], text)
        principals = tuple(listed.stdout.decode(errors="replace").split())
        if listed.returncode or not principals:
            raise Unsigned(f"its key is not in {signers}")
        if any(PATTERN.search(name) for name in principals):
            raise Unsigned(f"{signers} lists its key for {', '.join(principals)}, which names no person")
        options = ["-Y", "verify", "-n", NAMESPACE, "-f", str(signers), "-I", principals[0], "-s", file.name]
        done = ssh_keygen(options, text)
    found = FINGERPRINT.search(done.stdout.decode(errors="replace"))
    if done.returncode or not found:
        raise Unsigned(f"its signature is not valid: {said(done)}")
    return Approver(principals, found[0])
