# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations as files: what a folder says, and whether it continues what a database has run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.migration.files import File, Record, check, read

BATCHES = "-- release: batches\nupdate t set x = 1 where id > :after::bigint and note <> 'x:after' limit :batch"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0002_index.sql").write_text("-- release: alone\ncreate index concurrently i on t (x);\n")
    (tmp_path / "0001_t.sql").write_text("create table t (id int);\n")
    (tmp_path / "0001_t.down.sql").write_text("drop table t;")
    (tmp_path / "notes.txt").write_text("nothing")
    return tmp_path


def records(*files: File) -> list[Record]:
    return [Record(file.id, file.sha256, file.mode, "done", None, 0) for file in files]


def test_files_are_read_in_the_order_of_their_names_with_their_ways_back(folder: Path):
    one, two = read(folder)
    assert (one.id, one.mode, one.down) == ("0001_t", "transaction", "drop table t")
    assert (two.id, two.mode, two.down) == ("0002_index", "alone", None)


def test_a_batch_begins_after_the_key_of_the_last_one(tmp_path: Path):
    (tmp_path / "0003.sql").write_text(BATCHES)
    (file,) = read(tmp_path)
    assert "id > null::bigint and note <> 'x:after' limit 500" in file.batch(None, 500)
    assert "id > 'O''Neil'::bigint" in file.batch("O'Neil", 500)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"-- release: sometimes\nselect 1", "says 'release: sometimes'"),
        (b"-- release: batches\nupdate t set x = 1", "does not use :after and :batch"),
        (b"create table t ();\ncommit;\n", "says COMMIT"),
        (b"begin;\ncreate table t ();", "says BEGIN"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_run_as_it_says_is_refused_before_anything_runs(
    tmp_path: Path, content: bytes, said: str
):
    (tmp_path / "0001.sql").write_bytes(content)
    with pytest.raises(Refused, match=said):
        read(tmp_path)


def test_the_body_of_a_function_may_begin_and_end(tmp_path: Path):
    (tmp_path / "0001.sql").write_text("do $$\nbegin\n  perform 1;\nend $$;")
    assert read(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(Refused, match="no folder"):
        read(tmp_path / "missing")


def test_a_file_that_was_changed_after_it_had_been_run_is_refused(folder: Path):
    files = read(folder)
    (folder / "0001_t.sql").write_text("create table t (id bigint);\n")
    with pytest.raises(Refused, match="0001_t was changed"):
        check(read(folder), records(*files), "here")


def test_a_file_that_comes_before_what_was_run_is_refused(folder: Path):
    files = read(folder)
    with pytest.raises(Refused, match="0001_t comes before 0002_index"):
        check(files, records(files[1]), "here")


def test_files_that_were_run_and_are_gone_hold_nothing_up(folder: Path):
    files = read(folder)
    (folder / "0001_t.sql").unlink()
    (folder / "0001_t.down.sql").unlink()
    check(read(folder), records(*files), "here")


@pytest.mark.parametrize(
    ("sql", "concurrent", "whole"),
    [
        ("alter type mood add value 'calm'", False, True),
        ("-- not concurrently\n/* nor\nCONCURRENTLY */ alter table t add c int", False, True),
        ("create index Concurrently i on t (x)", True, False),
        ("-- everything\ncall move_rows()", False, False),
        ("Vacuum t", False, False),
    ],
)
def test_a_file_knows_whether_it_waits_by_design_and_whether_a_failure_leaves_anything(
    sql: str, concurrent: bool, whole: bool
) -> None:
    file = File("0001", f"-- release: alone\n{sql}", "alone", "")
    assert (file.concurrent, file.whole) == (concurrent, whole)
