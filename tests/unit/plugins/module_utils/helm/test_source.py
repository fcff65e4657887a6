# SPDX-License-Identifier: GPL-3.0-or-later
"""A chart, manifests or a kustomization, rendered for a colour."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.helm.cli import Helm
from ansible_collections.runbook.release.plugins.module_utils.helm.source import Source, Workshop, prepare

from .conftest import FakeHelm
from .scene import deployment, service

CHART = """
apiVersion: v1
kind: Service
metadata: {name: RELEASE}
spec: {selector: {app: RELEASE}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: RELEASE}
spec: {selector: {matchLabels: {app: RELEASE}}, template: {spec: {containers: [{name: a, image: "registry/shop:2"}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: pre-upgrade}}
"""
GENERATED = (
    CHART
    + """
---
apiVersion: v1
kind: Secret
metadata: {name: RELEASE}
stringData: {password: "number COUNT"}
"""
)


@pytest.fixture
def workshop(fake_helm: FakeHelm, tmp_path: Path) -> Workshop:
    fake_helm.answers(template={"lines": CHART})
    return Workshop(str(tmp_path), Helm(fake_helm.path, "shop"), "shop", "2")


def chart(tmp_path: Path, **more: object) -> Source:
    return Source("helm", chart=str(tmp_path), **more)  # type: ignore[arg-type]


def test_a_chart_is_rendered_per_colour_with_hooks_apart(workshop: Workshop, tmp_path: Path) -> None:
    prepared = prepare(chart(tmp_path), workshop)
    blue, green = prepared.render("blue"), prepared.render("green")
    assert [obj["metadata"]["name"] for obj in green.objects] == ["shop-green", "shop-green"]
    assert [obj["kind"] for obj in green.hooks] == ["Job"]
    assert blue.digest != green.digest
    assert prepared.render("green").digest == green.digest


def test_values_are_in_a_private_file(workshop: Workshop, tmp_path: Path, fake_helm: FakeHelm) -> None:
    rendering = prepare(chart(tmp_path, values={"password": "s3cret"}), workshop).render("green")
    (values,) = map(Path, rendering.values)
    assert json.loads(values.read_text()) == {"password": "s3cret"}
    assert values.stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in json.dumps(fake_helm.calls)


def test_a_known_digest_saves_the_second_rendering(workshop: Workshop, tmp_path: Path, fake_helm: FakeHelm) -> None:
    prepared = prepare(chart(tmp_path), workshop)
    known = prepared.render("green").digest
    assert len(fake_helm.calls) == 2
    prepared.render("green", known)
    assert len(fake_helm.calls) == 3


def test_generated_values_do_not_change_the_digest(workshop: Workshop, tmp_path: Path, fake_helm: FakeHelm) -> None:
    fake_helm.answers(template={"lines": GENERATED})
    prepared = prepare(chart(tmp_path), workshop)
    assert prepared.render("green").digest == prepared.render("green").digest


def test_a_chart_that_is_not_there_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"The chart .*/nowhere does not exist"):
        prepare(Source("helm", chart=str(tmp_path / "nowhere")), workshop)


def test_a_chart_that_does_not_render_is_an_error(workshop: Workshop, tmp_path: Path, fake_helm: FakeHelm) -> None:
    fake_helm.answers(template={"err": "Error: template: shop/templates/a.yaml:1: nil pointer", "rc": 1})
    with pytest.raises(ReleaseError, match=r"as shop-green failed: template: .* correct the chart or source\.values"):
        prepare(chart(tmp_path), workshop).render("green")


def test_a_chart_that_renders_another_version_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    prepare(chart(tmp_path, image="registry/shop"), workshop).render("green")
    other = Workshop(workshop.folder, workshop.helm, "shop", "3")
    with pytest.raises(Refused, match="renders registry/shop:2, not registry/shop:3"):
        prepare(chart(tmp_path, image="registry/shop"), other).render("green")


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "a.yaml").write_text(yaml.safe_dump(deployment("shop", {"app": "shop"}, image="registry/shop")))
    (folder / "b.yml").write_text(yaml.safe_dump(service("shop", {"app": "shop"})))
    (folder / "notes.txt").write_text("not a manifest")
    return folder


def test_a_folder_of_manifests_becomes_a_chart_per_colour(workshop: Workshop, manifests: Path) -> None:
    source = Source("manifests", path=str(manifests), image="registry/shop")
    rendering = prepare(source, workshop).render("green")
    assert [obj["metadata"]["name"] for obj in rendering.objects] == ["shop-green", "shop-green"]
    assert (Path(rendering.chart.reference) / "Chart.yaml").exists()


def test_another_version_is_other_content(workshop: Workshop, manifests: Path) -> None:
    source = Source("manifests", path=str(manifests), image="registry/shop")
    other = Workshop(workshop.folder, workshop.helm, "shop", "3")
    assert prepare(source, workshop).render("green").digest != prepare(source, other).render("green").digest


def test_one_file_is_enough(workshop: Workshop, manifests: Path) -> None:
    assert len(prepare(Source("manifests", path=str(manifests / "a.yaml")), workshop).manifests) == 1


@pytest.mark.parametrize("kind", ["manifests", "kustomize"])
def test_a_path_that_is_not_there_is_refused(workshop: Workshop, tmp_path: Path, kind: str) -> None:
    with pytest.raises(Refused, match=r"source\.path .* does not exist"):
        prepare(Source(kind, path=str(tmp_path / "nowhere")), workshop)


def test_a_folder_without_manifests_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused, match="holds no manifest"):
        prepare(Source("manifests", path=str(tmp_path / "empty")), workshop)


def test_one_object_twice_is_refused(workshop: Workshop, manifests: Path) -> None:
    (manifests / "c.yaml").write_text((manifests / "b.yml").read_text())
    with pytest.raises(Refused, match="Service shop is there twice"):
        prepare(Source("manifests", path=str(manifests)), workshop)


def test_a_kustomization_is_built_by_what_is_there(
    workshop: Workshop,
    manifests: Path,
    executable: Callable[[str, str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    executable("kubectl", f'[ "$1" = kustomize ] && cat {manifests}/a.yaml')
    monkeypatch.setenv(
        "PATH", f"{tmp_path}:/bin:/usr/bin" if not Path("/usr/bin/kustomize").exists() else str(tmp_path)
    )
    (obj,) = prepare(Source("kustomize", path=str(manifests)), workshop).manifests
    assert obj["metadata"]["name"] == "shop"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ReleaseError, match="needs kustomize or kubectl"):
        prepare(Source("kustomize", path=str(manifests)), workshop)
