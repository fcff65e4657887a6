# SPDX-License-Identifier: GPL-3.0-or-later
"""Time stamps of an authority that OpenSSL makes, checked by OpenSSL alone."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger import export
from ansible_collections.runbook.release.plugins.module_utils.ledger.dsse import Signer
from ansible_collections.runbook.release.plugins.module_utils.ledger.stamp import Authority

from .test_export import unpacked

CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = an authority
[stamping]
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
"""


def openssl(*arguments: str | Path) -> str:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    folder = tmp_path / "authority"
    folder.mkdir()
    config, key, cert = folder / "config", folder / "key.pem", folder / "cert.pem"
    config.write_text(CONFIGURATION.format(folder=folder))
    (folder / "serial").write_text("01\n")
    made = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config", config, "-extensions", "stamping")
    openssl("req", *made, "-keyout", key, "-out", cert)

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            signed = ("-inkey", key, "-signer", cert, "-out", folder / "reply")
            openssl("ts", "-reply", "-config", config, "-section", "one", "-queryfile", folder / "query", *signed)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write((folder / "reply").read_bytes())

        def log_message(self, *_said: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Authority(f"http://127.0.0.1:{server.server_port}/", str(cert))
        server.shutdown()


def test_openssl_proves_when_the_archive_was_signed(authority: Authority, key: Path, tmp_path: Path) -> None:
    target, signer = str(tmp_path / "r.tar.gz"), Signer(str(key))
    export.write(target, b'{"subject":[]}', [], signer, authority)
    files = unpacked(Path(target))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    attested, stamp = tmp_path / "attestation.dsse.json", tmp_path / "attestation.dsse.json.tsr"
    assert "Verification: OK" in openssl("ts", "-verify", "-data", attested, "-in", stamp, "-CAfile", authority.ca_cert)
    assert export.holds(target, b'{"subject":[]}', signer.keyid, stamped=True)
    assert not export.holds(target, b'{"subject":[]}', signer.keyid), "nobody asked for a time stamp"


def test_a_stamp_under_another_certificate_leaves_no_archive(authority: Authority, key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    made = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=another")
    openssl("req", *made, "-keyout", tmp_path / "other.key", "-out", other)
    mistaken = Authority(authority.url, str(other))
    with pytest.raises(ReleaseError, match="there is no time stamp"):
        export.write(str(tmp_path / "r.tar.gz"), b"{}", [], Signer(str(key)), mistaken)
    assert not (tmp_path / "r.tar.gz").exists()


def test_what_is_no_authority_is_named_without_its_secrets(authority: Authority) -> None:
    port = authority.url.rpartition(":")[2].strip("/")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://u:{port}@127.0.0.1:{server.server_port}/"
        with pytest.raises(ReleaseError, match="it answers 501") as refused:
            Authority(url, authority.ca_cert).stamp(b"x")
        server.shutdown()
    assert f"u:{port}@" not in str(refused.value)
