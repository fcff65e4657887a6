# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive, read by tools that are not ours: tarfile, hashlib, and securesystemslib for the signed envelope."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger import export
from ansible_collections.runbook.release.plugins.module_utils.ledger.dsse import Signer, envelope, pre_authentication
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from .cluster import RELEASE
from .test_verify import chain, texts

KINDS = {"ed25519": ("ed25519",), "ecdsa": ("ecdsa", "-b", "256"), "rsa": ("rsa", "-b", "2048")}
SCHEMES = {"rsa": "rsa-pkcs1v15-sha256"}
ENTRIES = chain(3)


def make_key(folder: Path, *kind: str, passphrase: str = "") -> Path:
    path = folder / "-".join(kind)
    subprocess.run(["ssh-keygen", "-q", "-t", *kind, "-N", passphrase, "-f", str(path)], check=True)
    return path


def public_of(path: Path, keyid: str) -> SSlibKey:
    key = load_ssh_public_key(Path(f"{path}.pub").read_bytes())
    return SSlibKey.from_crypto(key, keyid=keyid, scheme=SCHEMES.get(path.name.partition("-")[0]))


def write(target: Path, key: Path, *files: Path) -> bytes:
    members = [export.in_memory("ledger.jsonl", texts(ENTRIES)), *export.on_disk([str(file) for file in files])]
    payload = export.statement(RELEASE, "shop", ENTRIES, members)
    export.write(str(target), payload, members, Signer(str(key)))
    return payload


def unpacked(target: Path) -> dict[str, bytes]:
    with tarfile.open(target) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    (folder / "logs").mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    (folder / "logs" / "shop.log").write_text("started\n" * 300_000)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_securesystemslib_accepts_the_envelope(tmp_path: Path, kind: str) -> None:
    path = make_key(tmp_path, *KINDS[kind])
    signer = Signer(str(path))
    made = Envelope.from_dict(envelope(b'{"a":1}', signer))
    assert made.pae() == pre_authentication(b'{"a":1}')
    assert list(made.verify([public_of(path, signer.keyid)], 1)) == [signer.keyid]
    made.payload = b'{"a":2}'
    with pytest.raises(VerificationError):
        made.verify([public_of(path, signer.keyid)], 1)


def test_the_key_id_is_the_fingerprint_of_openssh(key: Path) -> None:
    shown = subprocess.run(["ssh-keygen", "-l", "-f", str(key)], check=True, capture_output=True, text=True).stdout
    assert Signer(str(key)).keyid == shown.split()[1]


def test_the_archive_proves_every_file_in_it(tmp_path: Path, key: Path, evidence: Path) -> None:
    write(tmp_path / "r.tar.gz", key, evidence)
    files = unpacked(tmp_path / "r.tar.gz")
    signed = Envelope.from_dict(json.loads(files.pop("attestation.dsse.json")))
    signed.verify([public_of(key, Signer(str(key)).keyid)], 1)
    statement: dict[str, Any] = json.loads(signed.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert {one["name"]: one["digest"]["sha256"] for one in statement["subject"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    assert set(files) == {"ledger.jsonl", "files/evidence/plan.json", "files/evidence/logs/shop.log"}
    assert files["ledger.jsonl"].decode().splitlines() == texts(ENTRIES)
    assert statement["predicate"]["head"] == ENTRIES[-1].head.report()
    assert (statement["predicate"]["began"], statement["predicate"]["ended"]) == ("T1", "T3")
    assert (tmp_path / "r.tar.gz").stat().st_mode & 0o777 == 0o600


def test_the_same_ledger_is_the_same_archive(tmp_path: Path, key: Path, evidence: Path) -> None:
    for name in ("one.tar.gz", "two.tar.gz"):
        write(tmp_path / name, key, evidence)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.tar.gz", "two.tar.gz"))
    assert one == two
    assert one[4:8] == bytes(4), "no time of writing in the gzip header"


def test_an_archive_is_recognised(tmp_path: Path, key: Path, evidence: Path) -> None:
    target, keyid = tmp_path / "r.tar.gz", Signer(str(key)).keyid
    payload = write(target, key, evidence)
    assert export.holds(str(target), payload, keyid)
    assert not export.holds(str(target), payload, "SHA256:another")
    assert not export.holds(str(target), payload.replace(b"T3", b"T4"), keyid)
    assert not export.holds(str(tmp_path / "absent"), payload, keyid)
    content = bytearray(gzip.decompress(target.read_bytes()))
    content[content.index(b"started")] ^= 1
    target.write_bytes(gzip.compress(bytes(content)))
    assert not export.holds(str(target), payload, keyid)
    target.write_bytes(b"no archive")
    assert not export.holds(str(target), payload, keyid)


def test_a_forged_statement_is_not_recognised(tmp_path: Path, key: Path) -> None:
    target, keyid = tmp_path / "r.tar.gz", Signer(str(key)).keyid
    payload = write(target, key)
    content = gzip.decompress(target.read_bytes())
    forged = base64.b64encode(payload.replace(b"T3", b"T4"))
    target.write_bytes(gzip.compress(content.replace(base64.b64encode(payload), forged)))
    assert not export.holds(str(target), payload, keyid)


def test_two_files_of_one_name_are_refused(tmp_path: Path, evidence: Path) -> None:
    (tmp_path / "plan.json").touch()
    with pytest.raises(Refused, match=r"two files would be files/plan\.json"):
        export.on_disk([str(evidence / "plan.json"), str(tmp_path / "plan.json")])


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: No such file"):
        export.on_disk([str(tmp_path / "absent")])


def test_a_file_that_changes_meanwhile_leaves_no_archive(tmp_path: Path, key: Path, evidence: Path) -> None:
    members = export.on_disk([str(evidence)])
    (evidence / "plan.json").write_text("[]")
    with pytest.raises(Refused, match="changed while"):
        export.write(str(tmp_path / "r.tar.gz"), b"{}", members, Signer(str(key)))
    assert [path.name for path in tmp_path.iterdir() if "tar" in path.name] == []


@pytest.mark.parametrize("target", ["absent/r.tar.gz", "evidence"])
def test_a_target_that_cannot_be_written_is_named(tmp_path: Path, key: Path, evidence: Path, target: str) -> None:
    with pytest.raises(ReleaseError, match="the archive cannot be written"):
        export.write(str(tmp_path / target), b"{}", [], Signer(str(key)))
    assert not list(tmp_path.glob(".evidence*"))


@pytest.mark.parametrize("kind", [("ecdsa", "-b", "384")])
def test_other_keys_are_refused(tmp_path: Path, kind: tuple[str, ...]) -> None:
    for path in (make_key(tmp_path, *kind), make_key(tmp_path, "ed25519", passphrase="secret"), tmp_path / "absent"):
        with pytest.raises(Refused, match="the key cannot sign the archive"):
            Signer(str(path))
