# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.release.repository import lay_out, plan
from hypothesis import given
from hypothesis import strategies as st

WANT = {"deploy.yml": "new", "prod/hosts.yml": "yours"}
CONTENTS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["one", "two"]))


@given(CONTENTS, CONTENTS, st.sets(st.sampled_from("abcd")))
def test_afterwards_everything_is_there_and_what_is_yours_is_as_it_was(
    have: dict[str, str], want: dict[str, str], yours: set[str]
) -> None:
    planned = plan(have, want, yours)
    after = {**have, **planned.write}
    assert after == {**have, **want, **{name: have[name] for name in yours if name in have}}
    assert set(planned.over) == {name for name in have if after[name] != have[name]}
    assert plan(after, want, yours).write == {}


def laid_out(folder: Path, replace: bool = False, dry_run: bool = False) -> list[str]:
    written = lay_out(str(folder), WANT, ["prod/hosts.yml"], replace=replace, dry_run=dry_run)
    assert written["changed"] is bool(written["written"])
    assert [one["after_header"] for one in written["diff"]] == written["written"]
    return list(written["written"])


def test_files_are_written_once(tmp_path: Path) -> None:
    assert laid_out(tmp_path / "ops", dry_run=True) == list(WANT)
    assert not (tmp_path / "ops").exists()
    assert laid_out(tmp_path / "ops") == list(WANT)
    assert laid_out(tmp_path / "ops") == []
    found = {str(path.relative_to(tmp_path / "ops")) for path in (tmp_path / "ops").rglob("*") if path.is_file()}
    assert found == set(WANT)


def test_what_differs_is_refused_before_anything_is_written_and_keeps_its_mode(tmp_path: Path) -> None:
    mine = tmp_path / "deploy.yml"
    mine.write_text("mine")
    mine.chmod(0o600)
    with pytest.raises(Refused, match=r"deploy\.yml would be written over; nothing was changed"):
        laid_out(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["deploy.yml"]
    assert laid_out(tmp_path, replace=True) == list(WANT)
    assert (mine.read_text(), mine.stat().st_mode & 0o777) == ("new", 0o600)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_no_file_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="leads out of the folder"):
        lay_out(str(tmp_path), {name: ""}, [], replace=False, dry_run=False)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "deploy.yml").mkdir()
    with pytest.raises(ReleaseError, match="cannot be read or written"):
        laid_out(tmp_path)
