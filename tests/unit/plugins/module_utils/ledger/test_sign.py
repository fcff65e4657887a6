# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils import ssh_keygen
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Head
from ansible_collections.runbook.release.plugins.module_utils.ledger.sign import SignedHead, message, sign, signer_of

from .cluster import RELEASE

HEAD = Head(3, "ab" * 32)


def test_a_signature_names_its_signer(key: Path, allowed_signers: Path) -> None:
    signed = sign(RELEASE, HEAD, str(key))
    assert signed.signature.startswith("-----BEGIN SSH SIGNATURE-----")
    assert signer_of(RELEASE, signed, str(allowed_signers)) == "ops@example.com"


def test_anybody_can_check_it_with_openssh(key: Path, allowed_signers: Path, tmp_path: Path) -> None:
    (tmp_path / "sig").write_text(sign(RELEASE, HEAD, str(key)).signature)
    text = f'{{"number":3,"release":"{RELEASE}","sha256":"{HEAD.sha256}"}}'.encode()
    assert message(RELEASE, HEAD) == text
    verify = ["ssh-keygen", "-Y", "verify", "-f", str(allowed_signers), "-I", "ops@example.com"]
    command = [*verify, "-n", "runbook.release", "-s", str(tmp_path / "sig")]
    assert subprocess.run(command, check=False, input=text, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("release", "head"),
    [("another", HEAD), (RELEASE, replace(HEAD, number=4)), (RELEASE, replace(HEAD, sha256="cd" * 32))],
)
def test_a_signature_is_for_one_head_only(key: Path, allowed_signers: Path, release: str, head: Head) -> None:
    signed = replace(sign(RELEASE, HEAD, str(key)), head=head)
    with pytest.raises(ReleaseError, match="not by an allowed signer"):
        signer_of(release, signed, str(allowed_signers))


def test_somebody_else_is_no_allowed_signer(key: Path, tmp_path: Path) -> None:
    signed = sign(RELEASE, HEAD, str(key))
    (tmp_path / "nobody").write_text("")
    for file in ("nobody", "absent"):
        with pytest.raises(ReleaseError, match="not by an allowed signer"):
            signer_of(RELEASE, signed, str(tmp_path / file))


def test_a_signature_in_another_namespace_does_not_count(key: Path, allowed_signers: Path) -> None:
    command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", "file"]
    signature = subprocess.run(command, check=True, input=message(RELEASE, HEAD), capture_output=True).stdout.decode()
    with pytest.raises(ReleaseError, match="not by an allowed signer"):
        signer_of(RELEASE, SignedHead(HEAD, signature), str(allowed_signers))


@pytest.mark.parametrize("signature", ["", "nonsense"])
def test_what_is_no_signature_does_not_count(allowed_signers: Path, signature: str) -> None:
    with pytest.raises(ReleaseError, match="not by an allowed signer"):
        signer_of(RELEASE, SignedHead(HEAD, signature), str(allowed_signers))


def test_a_key_with_a_passphrase_is_an_error_and_no_question(tmp_path: Path) -> None:
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "passphrase", "-f", str(key)], check=True)
    with pytest.raises(ReleaseError, match=r"could not be signed: .*Do: give a private key without a passphrase"):
        sign(RELEASE, HEAD, str(key))


def test_without_openssh_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, key: Path) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ReleaseError, match="ssh-keygen is not installed"):
        sign(RELEASE, HEAD, str(key))


def test_an_agent_that_waits_for_somebody_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = tmp_path / "ssh-keygen"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(ssh_keygen, "TIMEOUT", 0.1)
    with pytest.raises(ReleaseError, match="did not answer"):
        sign(RELEASE, HEAD, "key")
