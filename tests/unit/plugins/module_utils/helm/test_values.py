# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of values: read once, given to Helm in their order, and covered by a digest."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.helm.cli import Helm
from ansible_collections.runbook.release.plugins.module_utils.helm.source import Rendering, Source, Workshop, prepare

from .conftest import FakeHelm

SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: RELEASE}}"
ONE, TWO = "---\nenv: {POOL: '20'} # s3cret\nsince: 2024-12-06\n", "env: {POOL: '30'}\r\n"


@pytest.fixture
def place(tmp_path: Path, fake_helm: FakeHelm) -> Path:
    fake_helm.answers(version={"out": "v3.17.3"}, template={"lines": SERVICE})
    (tmp_path / "one.yaml").write_text(ONE)
    (tmp_path / "two.yaml").write_bytes(TWO.encode())
    (tmp_path / "private").mkdir()
    return tmp_path


def rendered(place: Path, fake_helm: FakeHelm, *files: str, **more: str) -> Rendering:
    source = Source("helm", chart=str(place), values={"b": 1}, values_files=[str(place / file) for file in files])
    workshop = Workshop(str(place / "private"), Helm(fake_helm.path, "shop"), "shop", "2")
    return prepare(Source(**{**vars(source), **more}), workshop).render("green")


def test_helm_gets_copies_in_their_order_and_the_values_of_the_source_last(place: Path, fake_helm: FakeHelm) -> None:
    rendering = rendered(place, fake_helm, "one.yaml", "two.yaml")
    (place / "one.yaml").write_text("env: {POOL: '0'}")
    (arguments,) = {tuple(call["argv"]) for call in fake_helm.calls}
    given = [Path(after) for flag, after in pairwise(arguments) if flag == "--values"]
    assert [str(path) for path in given] == list(rendering.values)
    assert [path.read_bytes().decode() for path in given[:2]] == [ONE, TWO]
    assert json.loads(given[2].read_text()) == {"b": 1}
    assert {(path.parent, path.stat().st_mode & 0o777) for path in given} == {(place / "private", 0o600)}


def test_what_is_installed_has_the_values_it_was_rendered_with(place: Path, fake_helm: FakeHelm) -> None:
    rendering = rendered(place, fake_helm, "one.yaml")
    Helm(fake_helm.path, "shop").upgrade("shop-green", rendering.chart, rendering.values, "version 2", 30)
    given = {
        call["argv"][0]: [one for one in call["argv"] if one.startswith(str(place / "private"))]
        for call in fake_helm.calls
    }
    assert given["template"] == given["upgrade"] == list(rendering.values)


def test_each_file_is_told_by_its_name_and_the_digest_of_its_content(place: Path, fake_helm: FakeHelm) -> None:
    one, two = rendered(place, fake_helm, "one.yaml", "two.yaml").values_files
    assert one.report() == {"name": "one.yaml", "digest": f"sha256:{hashlib.sha256(ONE.encode()).hexdigest()}"}
    assert two.report() == {"name": "two.yaml", "digest": f"sha256:{hashlib.sha256(TWO.encode()).hexdigest()}"}


@pytest.mark.parametrize("text", ["", "---\n# nothing yet\n", "{}", "a: &x {b: 1}\nc: *x\n", "operator: =\n"])
def test_what_helm_takes_is_taken(place: Path, fake_helm: FakeHelm, text: str) -> None:
    (place / "three.yaml").write_text(text)
    assert rendered(place, fake_helm, "three.yaml").values_files[0].name == "three.yaml"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"/three\.yaml does not exist"),
        (b"- s3cret", r"/three\.yaml is no mapping"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n6162\n", r"/three\.yaml is no mapping"),
        (b"a: 1\nb: [s3cret\n", r"/three\.yaml is not one document of YAML in line \d: "),
        (b"a: s3cret\n---\nb: 1\n", r"/three\.yaml is not one document of YAML in line \d: "),
        (b"a: s3cret\x00", r"/three\.yaml is not YAML"),
        (b"a: \xff", r"/three\.yaml is not in UTF-8"),
    ],
)
def test_a_file_that_is_of_no_use_is_named(place: Path, fake_helm: FakeHelm, content: bytes | None, said: str) -> None:
    if content is not None:
        (place / "three.yaml").write_bytes(content)
    with pytest.raises(Refused, match=said) as caught:
        rendered(place, fake_helm, "one.yaml", "three.yaml")
    assert "source.values_files[1]" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert fake_helm.calls == []


def test_a_folder_is_no_file(place: Path, fake_helm: FakeHelm) -> None:
    with pytest.raises(Refused, match=r"private cannot be read: Is a directory"):
        rendered(place, fake_helm, "private")


def test_only_a_chart_has_values(place: Path, fake_helm: FakeHelm) -> None:
    with pytest.raises(Refused, match="Only a chart has values"):
        rendered(place, fake_helm, "one.yaml", kind="manifests", path=str(place))
