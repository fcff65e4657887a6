# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts in a real shell: what comes out ends with a trailer that fits, whatever the command does."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess

import pytest
from ansible_collections.runbook.release.plugins.module_utils.postgres.pod_script import (
    BOOT,
    END,
    FAILED,
    conversing,
    feeding,
    finding,
    reading,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.trailer import Trailer, cut

PR_SET_CHILD_SUBREAPER = 36


def shell(script: str, fed: bytes = b"", path: str = "") -> tuple[bytes, str]:
    environment = {"PATH": path} if path else None
    sh = ["/bin/sh", *BOOT[1:]]
    done = subprocess.run(sh, input=script.encode() + fed, capture_output=True, check=False, env=environment)
    return done.stdout, done.stderr.decode()


def trailer(data: bytes, rc: int = 0) -> Trailer:
    return Trailer(rc, 0, hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_what_a_command_writes_comes_out_whole_with_its_trailer(size: int) -> None:
    out, _said = shell(reading({}, ["head", "-c", str(size), "/dev/zero"]))
    assert cut(out) == (trailer(bytes(size)), bytes(size))


def test_a_command_that_fails_says_so_in_the_trailer() -> None:
    out, said = shell(reading({}, ["sh", "-c", "printf half; echo 'error: no' >&2; exit 3"]))
    assert cut(out) == (trailer(b"half", rc=3), b"half")
    assert said == "error: no\n"


def test_a_command_that_is_killed_says_so_in_the_trailer() -> None:
    out, _said = shell(reading({}, ["sh", "-c", "printf half; kill -KILL $$"]))
    told, data = cut(out)
    assert told is not None
    assert (told.rc, data) == (137, b"half")


def test_a_command_that_reads_cannot_eat_what_follows() -> None:
    out, _said = shell(reading({}, ["cat"]), fed=b"not for it")
    assert cut(out) == (trailer(b""), b"")


def test_what_is_fed_gets_to_the_command_and_is_told_of() -> None:
    data = bytes(range(256)) * 9000
    out, _said = shell(feeding({}, ["sh", "-c", "sha256sum >&2"], len(data)), fed=data + b"not for it")
    told, before = cut(out)
    assert told == trailer(data)
    assert before.decode().split()[0] == hashlib.sha256(data).hexdigest()


def test_a_command_that_fails_on_what_it_is_fed_is_told_of_at_once() -> None:
    with subprocess.Popen(["/bin/sh", *BOOT[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin
        assert running.stdout
        running.stdin.write(feeding({}, ["sh", "-c", "echo 'error: no' >&2; exit 3"], 1000).encode() + b"only a part")
        running.stdin.flush()
        assert running.stdout.readline() == b"error: no\n"
        found = FAILED.match(running.stdout.readline())
        assert found
        assert found[1] == b"3"
        running.stdin.close()


def test_settings_are_data_whatever_is_in_them() -> None:
    nasty = '\'; echo "$(id)" `id` \\ $x'
    out, _said = shell(reading({"PGPASSWORD": nasty, "PGHOST": ""}, ["printenv", "PGPASSWORD"]))
    assert cut(out)[1].decode() == nasty + "\n"


def test_a_script_that_did_not_arrive_whole_is_not_run() -> None:
    script = reading({}, ["echo", "ran"])
    for length in range(0, len(script) - 1, 37):
        out, _said = shell(script[:length])
        assert out == b""
    assert END in script


def test_a_container_without_the_tools_says_which_one(tmp_path: object) -> None:
    out, said = shell(reading({}, ["true"]), path=str(tmp_path))
    assert out == b""
    assert "error: the container has no tee" in said


def test_in_a_conversation_errors_come_in_their_place() -> None:
    out, said = shell(conversing({}, ["sh", "-c", "cat; echo two >&2; echo three"]), fed=b"one\n")
    assert (out, said) == (b"one\ntwo\nthree\n", "")


def test_programs_are_found_by_name_with_their_versions(tmp_path: object) -> None:
    folder = str(tmp_path)
    with open(f"{folder}/pg_dump", "w") as file:
        file.write("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.2'\n")
    subprocess.run(["chmod", "755", f"{folder}/pg_dump"], check=True)
    out, _said = shell(finding({}, "pg_dump", [folder]))
    told, data = cut(out)
    assert told is not None
    assert told.rc == 0
    assert f"{folder}/pg_dump\tpg_dump (PostgreSQL) 15.2\n" in data.decode()


ENDLESS = ["cat", "/dev/zero"]
SLEEPING = ["sh", "-c", "head -c 5000 /dev/zero; exec sleep 2"]


@pytest.mark.parametrize("killed", [False, True], ids=["streams end", "shell is killed"])
@pytest.mark.parametrize(
    "script",
    [
        reading({}, ENDLESS),
        reading({}, SLEEPING),
        reading({}, ["sh", "-c", "head -c 5000 /dev/zero; kill -KILL $$"]),
        feeding({}, ["sh", "-c", "head -c 5000 /dev/zero >&2; exit 3"], 100_000),
        feeding({}, ["sh", "-c", "head -c 5000 /dev/zero >&2; cat"], 100_000),
        conversing({}, ENDLESS),
    ],
    ids=["endless", "sleeping", "killed", "refusing", "eating", "conversing"],
)
def test_a_server_that_inherits_what_is_left_of_a_script_never_sees_a_crash(script: str, killed: bool) -> None:
    """The forked child stands for the server: it inherits what loses its parent, and looks how that ends."""
    server = os.fork()
    if server == 0:
        os._exit(_inherit(script, killed))
    _pid, status = os.waitpid(server, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def _inherit(script: str, killed: bool) -> int:
    """How many processes ended in a way that PostgreSQL takes for a crash."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    running = subprocess.Popen(["/bin/sh", *BOOT[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdin
    assert running.stdout
    running.stdin.write(script.encode() + bytes(5000))
    running.stdin.flush()
    running.stdout.read(1000)
    if killed:
        running.kill()
    running.stdin.close()
    running.stdout.close()
    crashes = 0
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return crashes
        crashes += pid != running.pid and os.waitstatus_to_exitcode(status) not in (0, 1)
