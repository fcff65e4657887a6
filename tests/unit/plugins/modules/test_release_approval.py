# SPDX-License-Identifier: GPL-3.0-or-later
"""Approvals with real keys and the real ssh-keygen."""

from __future__ import annotations

import json
import shlex
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.modules import release_approval

ROLES = ("lead", "qa", "security", "devops", "customer")
PLAN, OTHER_PLAN = ("sha256:" + digit * 64 for digit in "ab")
STARTER = "devops@example.com"
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key for each role, one for a stranger, one with a passphrase."""
    folder = tmp_path_factory.mktemp("keys")
    for name in (*ROLES, "stranger", "locked"):
        phrase = "hunter2" if name == "locked" else ""
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", phrase, "-C", name, "-f", str(folder / name)]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return folder


def public(keys: Path, name: str) -> str:
    return " ".join((keys / f"{name}.pub").read_text().split()[:2])


@pytest.fixture
def signers(tmp_path: Path, keys: Path) -> Path:
    folder = tmp_path / "signers"
    folder.mkdir()
    for role in ROLES:
        allow(folder, role, f'{role}@example.com namespaces="runbook.release" {public(keys, role)}')
    return folder


def allow(signers: Path, role: str, *lines: str) -> None:
    (signers / f"{role}.allowed_signers").write_text("\n".join(lines) + "\n")


@pytest.fixture
def run(tmp_path: Path, signers: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    given = {"digest": PLAN, "system": "shop", "environment": "prod"}
    paths = {"path": str(tmp_path / "approvals"), "signers": str(signers)}

    def run_module(state: str, **options: Any) -> dict[str, Any]:
        with patch_module_args({**given, **paths, "state": state, **options}), pytest.raises(SystemExit):
            release_approval.main()
        return dict(json.loads(capsys.readouterr().out))

    return run_module


@pytest.fixture
def sign(run: Run, keys: Path) -> Run:
    def sign_as(role: str, key: str = "", **options: Any) -> dict[str, Any]:
        return run("signed", role=role, key=str(keys / (key or role)), **options)

    return sign_as


@pytest.fixture
def verify(run: Run) -> Run:
    def verify_all(required: Any = None, **options: Any) -> dict[str, Any]:
        wanted = dict.fromkeys(ROLES, 1) if required is None else required
        return run("verified", required=wanted, **{"starter": STARTER, **options})

    return verify_all


def the_file(result: dict[str, Any]) -> Path:
    return Path(result["approvals"][0]["file"])


def test_five_roles_sign_and_all_of_it_is_proven(sign: Run, verify: Run) -> None:
    for role in ROLES:
        refused = verify()
        assert refused["failed"]
        assert f"{role} (0 of 1)" in refused["msg"]
        signed = sign(role)
        assert signed["changed"]
    result = verify()
    assert "failed" not in result
    assert (result["changed"], result["missing"], result["rejected"]) == (False, {}, [])
    assert {one["role"]: one["approver"] for one in result["approvals"]} == {r: f"{r}@example.com" for r in ROLES}


def test_signing_twice_is_signing_once(sign: Run) -> None:
    first = sign("qa")
    before = the_file(first).read_bytes()
    second = sign("qa")
    assert (second["changed"], second["approvals"]) == (False, first["approvals"])
    assert the_file(first).read_bytes() == before


def test_the_files_are_private(sign: Run) -> None:
    file = the_file(sign("qa"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_check_mode_signs_nothing(sign: Run, tmp_path: Path) -> None:
    result = sign("qa", _ansible_check_mode=True, _ansible_diff=True)
    assert result["changed"]
    assert (result["diff"]["before"], result["diff"]["after"]["role"]) == ({}, "qa")
    assert not (tmp_path / "approvals").exists()
    signed = sign("qa", _ansible_diff=True)
    assert signed["diff"]["after"]["digest"] == PLAN
    assert not sign("qa", _ansible_check_mode=True)["changed"]


def test_the_refusal_has_the_command_that_signs(verify: Run, sign: Run, keys: Path, run: Run) -> None:
    sign("lead")
    refused = verify({"lead": 1, "qa": 1})
    assert refused["missing"] == {"qa": 1}
    assert refused["commands"]["qa"] in refused["msg"]
    program, host, _m, module, _a, args = shlex.split(refused["commands"]["qa"])
    assert (program, host, module) == ("ansible", "localhost", "runbook.release.release_approval")
    options = dict(option.split("=", 1) for option in shlex.split(args))
    assert run(options.pop("state"), key=str(keys / "qa"), **options)["changed"]
    assert "failed" not in verify({"lead": 1, "qa": 1})


@pytest.mark.parametrize("key", ["stranger", "lead"])
def test_a_wrong_key_is_refused_at_signing(sign: Run, tmp_path: Path, key: str) -> None:
    refused = sign("qa", key)
    assert refused["failed"]
    assert "would not count for qa: its key is not in" in refused["msg"]
    assert not (tmp_path / "approvals").exists()


def test_a_key_that_was_removed_does_not_count(sign: Run, verify: Run, signers: Path, keys: Path) -> None:
    sign("qa")
    allow(signers, "qa", f"qa@example.com {public(keys, 'stranger')}")
    refused = verify({"qa": 1})
    assert "qa (0 of 1)" in refused["msg"]
    assert "its key is not in" in refused["rejected"][0]["reason"]


def test_an_approval_for_another_plan_does_not_count(sign: Run, verify: Run) -> None:
    for role in ROLES:
        sign(role, digest=OTHER_PLAN)
    refused = verify()
    assert refused["missing"] == dict.fromkeys(ROLES, 1)
    assert f"it approves something else, {OTHER_PLAN}" in refused["msg"]


@pytest.mark.parametrize(
    ("options", "place"), [({"system": "web"}, "web in prod"), ({"environment": "staging"}, "shop in staging")]
)
def test_an_approval_for_another_place_does_not_count(
    sign: Run, verify: Run, options: dict[str, str], place: str
) -> None:
    sign("qa", **options)
    assert verify({"qa": 1})["rejected"][0]["reason"] == f"it approves {place}"


@pytest.mark.parametrize(
    ("signed_for", "changed_to"),
    [
        ({"digest": OTHER_PLAN}, {"digest": PLAN}),
        ({"system": "web"}, {"system": "shop"}),
        ({"environment": "staging"}, {"environment": "prod"}),
        ({}, {"expires": "2099-01-01T00:00:00Z"}),
    ],
)
def test_a_changed_text_does_not_count(
    sign: Run, verify: Run, signed_for: dict[str, str], changed_to: dict[str, str]
) -> None:
    file = the_file(sign("qa", **signed_for))
    record = json.loads(file.read_text())
    record["statement"].update(changed_to)
    file.write_text(json.dumps(record))
    refused = verify({"qa": 1})
    assert refused["missing"] == {"qa": 1}
    assert "its signature is not valid" in refused["rejected"][0]["reason"]


def test_an_added_field_does_not_count(sign: Run, verify: Run) -> None:
    file = the_file(sign("qa"))
    record = json.loads(file.read_text())
    record["statement"]["note"] = "and everything else"
    file.write_text(json.dumps(record))
    assert "other fields than an approval" in verify({"qa": 1})["msg"]


def test_an_approval_does_not_become_that_of_another_role(sign: Run, verify: Run, signers: Path, keys: Path) -> None:
    allow(signers, "security", f"qa@example.com {public(keys, 'qa')}")
    file = the_file(sign("qa"))
    record = json.loads(file.read_text())
    record["statement"]["role"] = "security"
    file.write_text(json.dumps(record))
    assert "its signature is not valid" in verify({"security": 1})["msg"]


def test_a_signature_of_another_namespace_does_not_count(sign: Run, verify: Run, keys: Path, signers: Path) -> None:
    allow(signers, "qa", f"qa@example.com {public(keys, 'qa')}")
    file = the_file(sign("qa"))
    record = json.loads(file.read_text())
    text = json.dumps(record["statement"], sort_keys=True, separators=(",", ":")).encode()
    argv = ["ssh-keygen", "-Y", "sign", "-f", str(keys / "qa"), "-n", "file"]
    record["signature"] = subprocess.run(argv, input=text, capture_output=True, check=True).stdout.decode()
    file.write_text(json.dumps(record))
    assert "its signature is not valid" in verify({"qa": 1})["msg"]


def test_an_expired_approval_does_not_count_and_is_signed_again(
    sign: Run, verify: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(release_approval.datetime):  # type: ignore[misc]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + release_approval.validity("1h")

    sign("qa", valid="1h")
    assert "failed" not in verify({"qa": 1})
    monkeypatch.setattr(release_approval, "datetime", Later)
    assert "it expired at" in verify({"qa": 1})["msg"]
    assert sign("qa")["changed"]
    assert "failed" not in verify({"qa": 1})


def test_the_starter_cannot_be_the_only_one(sign: Run, verify: Run) -> None:
    sign("devops")
    refused = verify({"devops": 1})
    assert refused["failed"]
    assert f"{STARTER} starts this release and is the only one who approved it" in refused["msg"]
    assert refused["commands"]["devops"] in refused["msg"]
    sign("qa")
    assert verify({"devops": 1})["failed"]
    assert "failed" not in verify({"devops": 1, "qa": 1})
    assert "failed" not in verify({"devops": 1}, starter="lead@example.com")


def test_a_quorum_counts_people(sign: Run, verify: Run, signers: Path, keys: Path) -> None:
    one_person = [f"qa@example.com {public(keys, name)}" for name in ("qa", "lead")]
    allow(signers, "qa", *one_person)
    sign("qa", "qa")
    sign("qa", "lead")
    assert "qa (1 of 2)" in verify({"qa": 2})["msg"]
    allow(signers, "qa", one_person[0], f"second@example.com {public(keys, 'lead')}")
    assert "failed" not in verify({"qa": 2})
    assert "failed" not in verify({"qa": "2"})


def test_all_names_of_a_key_are_its_person(sign: Run, verify: Run, signers: Path, keys: Path) -> None:
    allow(signers, "qa", f"qa@example.com,{STARTER} {public(keys, 'qa')}")
    sign("qa")
    assert "is the only one who approved" in verify({"qa": 1})["msg"]


def test_a_pattern_is_no_person(sign: Run, signers: Path, keys: Path) -> None:
    allow(signers, "qa", f"*@example.com {public(keys, 'qa')}")
    assert "names no person" in sign("qa")["msg"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("not json", "it is not an approval"),
        ('{"kind": "ssh"}', "it is not an approval"),
        ("[]", "it is not an approval"),
        ('{"kind": "ssh", "statement": {"role": "../qa"}}', "it is not an approval"),
    ],
)
def test_a_file_that_is_no_approval_is_named(sign: Run, verify: Run, tmp_path: Path, content: str, reason: str) -> None:
    sign("qa")
    (tmp_path / "approvals" / "junk.json").write_text(content)
    result = verify({"qa": 1})
    assert "failed" not in result
    assert reason in result["rejected"][0]["reason"]
    assert "junk.json" in verify({"lead": 1})["msg"]


def test_an_unknown_kind_does_not_count(sign: Run, verify: Run) -> None:
    file = the_file(sign("qa"))
    file.write_text(json.dumps({**json.loads(file.read_text()), "kind": "letter"}))
    assert "its kind 'letter' is not one of ssh" in verify({"qa": 1})["msg"]


def test_a_key_with_a_passphrase_does_not_wait_for_one(sign: Run, signers: Path, keys: Path) -> None:
    allow(signers, "qa", f"qa@example.com {public(keys, 'locked')}")
    refused = sign("qa", "locked")
    assert "ssh-keygen cannot sign with" in refused["msg"]
    assert "ssh-add" in refused["msg"]


def test_a_missing_signers_file_is_named(sign: Run, keys: Path) -> None:
    assert "there is no file" in sign("board", "qa")["msg"]


def test_a_missing_key_is_named(sign: Run) -> None:
    assert "is not a key" in sign("qa", "nobody")["msg"]


def test_a_missing_ssh_keygen_is_named(sign: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install the OpenSSH client" in sign("qa")["msg"]


def test_a_folder_that_cannot_be_written_is_named(sign: Run, tmp_path: Path) -> None:
    (tmp_path / "approvals").write_text("a file")
    assert "cannot be written" in sign("qa")["msg"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"digest": "1.4.0"}, "not a digest"),
        ({"digest": PLAN + "\n"}, "not a digest"),
        ({"system": ""}, "system is empty"),
        ({"role": "../lead"}, "not the name of a role"),
        ({"valid": "tomorrow"}, "valid is 'tomorrow'"),
        ({"valid": "0h"}, "valid is '0h'"),
    ],
)
def test_bad_input_for_a_signature(run: Run, keys: Path, options: dict[str, str], said: str) -> None:
    assert said in run("signed", **{"role": "qa", "key": str(keys / "qa"), **options})["msg"]


@pytest.mark.parametrize(
    ("required", "said"),
    [
        ({}, "required names no role"),
        ({"qa": 0}, "required.qa is '0'"),
        ({"qa": "two"}, "required.qa is 'two'"),
        ({"../qa": 1}, "not the name of a role"),
    ],
)
def test_bad_input_for_a_proof(verify: Run, required: dict[str, Any], said: str) -> None:
    assert said in verify(required)["msg"]
