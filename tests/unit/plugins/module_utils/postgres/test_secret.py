# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres.secret import password_file, password_of

SECRET_OPTION = {"password_secret": {"name": "pg", "key": "password"}, "namespace": "shop"}


class Cluster:
    """Has one Secret."""

    def get(self, _kind: Any, name: str, namespace: str) -> dict[str, Any] | None:
        data = {"password": base64.b64encode("pä ss\n".encode()).decode()}
        return {"data": data} if (name, namespace) == ("pg", "shop") else None


def test_a_password_comes_from_the_option_a_file_or_a_secret(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from file\n")
    cluster: Any = Cluster()
    assert password_of({"password": "given"}, None) == "given"
    assert password_of({"password_file": str(tmp_path / "password")}, None) == "from file"
    assert password_of(SECRET_OPTION, cluster) == "pä ss"
    assert password_of({}, None) == ""


def test_a_password_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    cluster: Any = Cluster()
    with pytest.raises(Refused, match="cannot be read"):
        password_of({"password_file": str(tmp_path / "none")}, None)
    with pytest.raises(Refused, match=r"has no key wrong.*it has password"):
        password_of({**SECRET_OPTION, "password_secret": {"name": "pg", "key": "wrong"}}, cluster)
    with pytest.raises(Refused, match="there is no such Secret"):
        password_of({**SECRET_OPTION, "namespace": "other"}, cluster)
    with pytest.raises(Refused, match="namespace"):
        password_of(SECRET_OPTION, None)
    with pytest.raises(Refused, match="more than one line") as caught:
        password_of({"password": "two\nlines"}, None)
    assert "two" not in str(caught.value)


def test_programs_read_the_password_from_a_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with password_file("p:\\a'b") as (environment, descriptors):
        assert list(tmp_path.iterdir()) == []
        assert "p:" not in str(environment)
        path = Path(environment["PGPASSFILE"])
        assert path.read_text() == "*:*:*:*:p\\:\\\\a'b\n"
        assert path.read_text() == "*:*:*:*:p\\:\\\\a'b\n"
        assert stat.S_IMODE(os.fstat(descriptors[0]).st_mode) == 0o600
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptors[0])


def test_without_a_password_programs_are_told_nothing() -> None:
    with password_file("") as told:
        assert told == ({}, ())
