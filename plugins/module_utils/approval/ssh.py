# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Signatures by ``ssh-keygen -Y`` in the namespace of the collection, checked against an allowed_signers file."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import Refused, ReleaseError

NAMESPACE = "runbook.release"
BINARY = "ssh-keygen"
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/=]+")
PATTERN = re.compile(r"[*?!]")
TIMEOUT = 60


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
    done = _run(["-Y", "sign", "-f", str(key), "-n", NAMESPACE], text)
    if done.returncode:
        raise Refused(
            f"ssh-keygen cannot sign with {key}: {_said(done)}",
            remedy="name a private key of yours; if it has a passphrase, ssh-add it and name its .pub file",
        )
    return done.stdout.decode()


def fingerprint(key: Path) -> str:
    done = _run(["-l", "-E", "sha256", "-f", str(key)])
    found = FINGERPRINT.search(done.stdout.decode(errors="replace"))
    if done.returncode or not found:
        raise Refused(f"{key} is not a key: {_said(done)}", remedy="name the file of your private or public key")
    return found[0]


def verify(signers: Path, text: bytes, signature: str) -> Approver:
    """The approver by whose key ``text`` was signed; ``Unsigned`` if it was not, or by nobody listed."""
    if not signers.is_file():
        raise Unsigned(f"there is no file {signers}")
    with tempfile.NamedTemporaryFile("w", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        listed = _run(["-Y", "find-principals", "-s", file.name, "-f", str(signers)], text)
        principals = tuple(listed.stdout.decode(errors="replace").split())
        if listed.returncode or not principals:
            raise Unsigned(f"its key is not in {signers}")
        if any(PATTERN.search(name) for name in principals):
            raise Unsigned(f"{signers} lists its key for {', '.join(principals)}, which names no person")
        options = ["-Y", "verify", "-n", NAMESPACE, "-f", str(signers), "-I", principals[0], "-s", file.name]
        done = _run(options, text)
    found = FINGERPRINT.search(done.stdout.decode(errors="replace"))
    if done.returncode or not found:
        raise Unsigned(f"its signature is not valid: {_said(done)}")
    return Approver(principals, found[0])


def _run(options: Sequence[str], text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run ssh-keygen where it cannot ask anybody for a passphrase."""
    env = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        return subprocess.run(
            [BINARY, *options],
            input=text,
            capture_output=True,
            check=False,
            env=env,
            start_new_session=True,
            timeout=TIMEOUT,
        )
    except FileNotFoundError:
        raise ReleaseError(
            "ssh-keygen is not installed", where="PATH of this host", remedy="install the OpenSSH client"
        ) from None
    except subprocess.TimeoutExpired:
        raise ReleaseError(
            f"ssh-keygen did not answer within {TIMEOUT} s",
            remedy="see whether the SSH agent or the security key waits for somebody",
        ) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else f"exit code {done.returncode}"
