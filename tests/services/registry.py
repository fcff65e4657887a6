# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry by TLS: with one account, with tokens that a test signs, or open; and what pushes to it."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.web import Call, basic, send

from services.debian import Server
from services.packages import Package

USER, PASSWORD = "cleaner", "held-by-a-test"
_HASH = "$2y$05$abcdefghijklmnopqrstuuk4RroFutt/K1JDTuoMRpxRlSHPoQT7y"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
ISSUER, SERVICE = "a test", "registry"

Document = dict[str, Any]


class Registry(Server):
    """`realm` is where tokens are had, of which the certificate in `trust` is the authority."""

    package = Package(("docker-registry",), "usr/bin/docker-registry")
    ready = "listening on"

    def __init__(self, trust: tuple[Path, Path], realm: str = "", deletes: bool = True) -> None:
        super().__init__()
        self.trust, self.realm, self.deletes = trust, realm, deletes

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    def arguments(self) -> list[str]:
        certificate, key = (str(self.own(path.name, path.read_text())) for path in self.trust)
        login: Document = {"htpasswd": {"realm": "tests", "path": str(self.own("users", f"{USER}:{_HASH}\n"))}}
        if self.realm:
            tokens = {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": certificate}
            login = {"token": tokens}
        storage = {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": self.deletes}}
        http = {"addr": f"{self.host}:{self.port}", "tls": {"certificate": certificate, "key": key}}
        config = {"version": 0.1, "storage": storage, "http": http, "auth": login}
        return ["serve", str(self.own("config.yml", json.dumps(config)))]

    def push(self, name: str, created: str, *tags: str) -> str:
        """An image of one layer; returns its digest."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "created": created}).encode()
        layer = f"layer of {created}".encode()
        parts = [self._blob(name, config, _CONFIG), self._blob(name, layer, "application/octet-stream")]
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
        return self._manifest(name, document, MANIFEST, tags)

    def push_list(self, name: str, parts: Sequence[str], *tags: str) -> str:
        """A list of images that are there."""
        entries = [{"mediaType": MANIFEST, "digest": one, "size": self._size(name, one)} for one in parts]
        return self._manifest(name, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX, tags)

    def has(self, name: str, reference: str) -> bool:
        return self._ask("HEAD", f"/v2/{name}/manifests/{reference}", accept=f"{MANIFEST}, {INDEX}")[0] == 200

    def _manifest(self, name: str, document: Document, kind: str, tags: Sequence[str]) -> str:
        body = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        for reference in tags or (digest,):
            status, _headers, said = self._ask("PUT", f"/v2/{name}/manifests/{reference}", body, kind)
            assert status == 201, said
        return digest

    def _blob(self, name: str, content: bytes, kind: str) -> Document:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        status, headers, said = self._ask("POST", f"/v2/{name}/blobs/uploads/", b"")
        assert status == 202, said
        where = next(value for key, value in headers.items() if key.lower() == "location").removeprefix(self.url)
        status, _headers, said = self._ask("PUT", f"{where}&digest={digest}", content, "application/octet-stream")
        assert status == 201, said
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def _size(self, name: str, digest: str) -> int:
        return len(self._ask("GET", f"/v2/{name}/manifests/{digest}", accept=MANIFEST)[2])

    def _ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "", accept: str = "*/*"
    ) -> tuple[int, Mapping[str, str], bytes]:
        name = path.removeprefix("/v2/").partition("/manifests/")[0].partition("/blobs/")[0]
        login = f"Bearer {signed(self.trust, name, ['pull', 'push'])}" if self.realm else basic(USER, PASSWORD)
        headers = {"Authorization": login, "Accept": accept, **({"Content-Type": kind} if kind else {})}
        return send(Call(self.url + path, "", str(self.trust[0]), method, headers, body), timeout=30)


def signed(trust: tuple[Path, Path], name: str, actions: Sequence[str], seconds: float = 60) -> str:
    """A token for an image, as the registry believes it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    key = serialization.load_pem_private_key(trust[1].read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    der = x509.load_pem_x509_certificate(trust[0].read_bytes()).public_bytes(serialization.Encoding.DER)
    head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
    now = time.time()
    times = {"exp": int(now + seconds), "nbf": int(now - 60), "iat": int(now)}
    access = [{"type": "repository", "name": name, "actions": list(actions)}]
    claims = {"iss": ISSUER, "sub": USER, "aud": SERVICE, **times, "jti": "1", "access": access}
    said = ".".join(_text(json.dumps(part).encode()) for part in (head, claims))
    r, s = utils.decode_dss_signature(key.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{said}.{_text(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
