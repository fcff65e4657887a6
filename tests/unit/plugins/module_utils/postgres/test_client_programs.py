# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import client, dump
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import DumpOptions, RestoreOptions


@pytest.mark.parametrize(
    ("said", "version", "major"),
    [
        ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18", 15),
        ("pg_restore (PostgreSQL) 18.6", "18.6", 18),
        ("pg_dump (PostgreSQL) 19beta1", "19beta1", 19),
    ],
)
def test_programs_say_their_version(said: str, version: str, major: int) -> None:
    program = client.program_of("pg_dump", "/bin/pg_dump", said)
    assert program is not None
    assert (program.version, program.major) == (version, major)


def test_something_else_of_that_name_is_no_program() -> None:
    assert client.program_of("pg_dump", "/bin/pg_dump", "pg_dump: command not found") is None


def fake(folder: Path, version: str) -> Path:
    folder.mkdir()
    program = folder / "pg_dump"
    program.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    program.chmod(0o755)
    return folder


def test_the_first_of_the_server_s_major_version_is_chosen(tmp_path: Path) -> None:
    folders = [str(fake(tmp_path / name, version)) for name, version in (("a", "18.1"), ("b", "15.2"), ("c", "15.3"))]
    found = client.installed("pg_dump", [*folders, str(tmp_path / "none")])
    chosen = client.choose("pg_dump", found, 15, "15.20", "db:5432", "on this machine")
    assert chosen.path == str(tmp_path / "b" / "pg_dump")


def test_without_one_the_refusal_names_what_there_is_and_what_to_install(tmp_path: Path) -> None:
    found = client.installed("pg_dump", [str(fake(tmp_path / "a", "18.1"))])
    with pytest.raises(Refused) as caught:
        client.choose("pg_dump", found, 15, "15.20", "db:5432", "on this machine")
    told = str(caught.value)
    assert "no pg_dump 15 on this machine for the server's version 15.20" in told
    assert f"found 18.1 ({tmp_path}/a/pg_dump), whose archives this server could not take back" in told
    assert "install postgresql-client-15" in told
    assert "server.mode to exec" in told


def test_a_named_folder_is_the_only_one() -> None:
    assert client.folders(15, "/opt/pg/bin") == ["/opt/pg/bin"]
    assert client.folders(15)[0] == "/usr/lib/postgresql/15/bin"


def test_compression_is_said_as_the_version_understands_it() -> None:
    assert dump.candidates("auto", 15) == ("gzip:1",)
    assert dump.candidates("auto", 16) == ("zstd:3", "lz4", "gzip:1")
    assert dump.compressing("gzip:4", 15) == ["--compress=4"]
    assert dump.compressing("none", 15) == ["--compress=0"]
    assert dump.compressing("zstd:3", 17) == ["--compress=zstd:3"]
    with pytest.raises(Refused, match="gzip; lz4 came with version 16"):
        dump.candidates("lz4", 14)


def test_a_codec_the_build_lacks_is_passed_over() -> None:
    lacking = "error: this build does not support compression with ZSTD"
    says = {"zstd:3": lacking, "lz4": "error: connection failed", "gzip:1": ""}
    assert dump.first_built(("zstd:3", "lz4", "gzip:1"), says.__getitem__, "db") == "lz4"
    with pytest.raises(Refused, match="not built for compression with zstd:3"):
        dump.first_built(("zstd:3",), says.__getitem__, "db")


def test_names_and_snapshots_are_data_and_never_options() -> None:
    arguments = dump.dump_arguments(DumpOptions("it's host=x \\"), "00000003-0000001B-1", 15)
    assert arguments[-1] == "--dbname=dbname='it\\'s host=x \\\\'"
    assert "--no-password" in arguments
    with pytest.raises(Refused, match="no name of a snapshot"):
        dump.dump_arguments(DumpOptions("shop"), "x --file=/etc/passwd", 15)
    assert dump.restore_arguments("shop", RestoreOptions())[1] == "--exit-on-error"
    assert dump.settings_text({"maintenance_work_mem": "1 GB"}) == "-c maintenance_work_mem=1\\ GB"


def test_what_is_no_archive_is_not_taken_for_one() -> None:
    got = bytearray()
    checked = dump.Checked(got.extend)
    for piece in (b"PG", b"", b"DMP and more"):
        checked.take(piece)
    checked.end("the dump of shop", "db")
    assert got == b"PGDMP and more"
    for wrong in (b"", b"-- PostgreSQL database dump"):
        other = dump.Checked(got.extend)
        other.take(wrong)
        with pytest.raises(ReleaseError, match="brought something that is no archive"):
            other.end("the dump of shop", "db")
