# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.secrets import Reference, hidden


class Cluster:
    """Has one Secret."""

    def get(self, kind, name, namespace=""):
        data = {"password": base64.b64encode(b"s3cret\n").decode(), "bad": "!", "binary": "/w=="}
        return {"data": data} if (kind.kind, namespace, name) == ("Secret", "shop", "db") else None


WORLD = World("shop", Cluster)


def test_a_secret_comes_from_a_file_the_environment_or_the_cluster(tmp_path, monkeypatch):
    (tmp_path / "password").write_text("s3cret\r\n")
    monkeypatch.setenv("PASSWORD", "s3cret")
    for reference in (
        Reference("password", file=str(tmp_path / "password")),
        Reference("password", environment="PASSWORD"),
        Reference("password", secret={"name": "db", "key": "password"}),
        Reference("password", secret={"name": "db", "key": "password", "namespace": "shop"}),
    ):
        assert reference.given
        assert reference.value(WORLD) == "s3cret"


def test_no_reference_is_no_secret():
    assert (Reference("password").given, Reference("password").value(World())) == (False, "")


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"a\x00b", b"\xff\xfe"])
def test_a_file_without_one_line_of_text_is_an_error_that_does_not_show_it(tmp_path, content):
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(ReleaseError) as caught:
        Reference("password", file=str(tmp_path / "password")).value(WORLD)
    assert str(tmp_path / "password") in str(caught.value)
    assert "lines" not in str(caught.value)


@pytest.mark.parametrize(
    "reference",
    [
        Reference("token", file="/nonexistent/token"),
        Reference("token", environment="NOT_SET_ANYWHERE"),
        Reference("token", secret={"name": "db", "key": "absent"}),
        Reference("token", secret={"name": "absent", "key": "password"}),
        Reference("token", secret={"name": "db", "key": "password", "namespace": "other"}),
        Reference("token", secret={"name": "db", "key": "bad"}),
        Reference("token", secret={"name": "db", "key": "binary"}),
    ],
    ids=lambda reference: reference.options[0],
)
def test_a_reference_to_nothing_is_an_error(reference):
    with pytest.raises(ReleaseError):
        reference.value(WORLD)


def test_secrets_are_masked_wherever_they_stand():
    found = {"a": ["x s3cret y", 5], "b": {"c": "s3cret"}, "d": None}
    assert hidden(found, ("s3cret",)) == {"a": ["x (hidden) y", 5], "b": {"c": "(hidden)"}, "d": None}
