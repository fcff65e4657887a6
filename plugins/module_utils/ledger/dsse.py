# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DSSE envelopes: a payload, its type, and signatures over both that any in-toto tool can check."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from ..errors import Refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    Key = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Signer:
    """A private key: its signature, and the fingerprint OpenSSH shows for it."""

    def __init__(self, path: str) -> None:
        self._key = _load(path)
        self.keyid = _fingerprint(self._key)

    def sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(data, ec.ECDSA(SHA256()))
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), SHA256())
        return self._key.sign(data)


def envelope(payload: bytes, signer: Signer) -> dict[str, Any]:
    """The payload, signed."""
    signature = base64.b64encode(signer.sign(pre_authentication(payload))).decode()
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": signer.keyid, "sig": signature}],
    }


def pre_authentication(payload: bytes) -> bytes:
    """What is signed, by the DSSE protocol: the lengths make type and payload unambiguous."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _load(path: str) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    try:
        with open(path, "rb") as file:
            content = file.read()
        loader = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in content else load_pem_private_key
        key = loader(content, None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(path, str(error)) from error
    if isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return key
    raise _unusable(path, "it is of another kind")


def _unusable(path: str, why: str) -> Refused:
    return Refused(
        f"the key cannot sign the archive: {why}",
        where=path,
        remedy="give an ed25519, ecdsa (nistp256) or rsa private key without a passphrase; an SSH agent is not asked",
    )


def _fingerprint(key: Key) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    hashed = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(hashed).decode().rstrip("=")
