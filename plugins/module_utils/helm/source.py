# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What is to be released, rendered for a colour: a Helm chart, plain manifests or a kustomization."""

from __future__ import annotations

import json
import os
import shutil
import typing as t
from dataclasses import dataclass, field

from ..errors import Refused, ReleaseError
from .access import write_private
from .capacity import Key
from .cli import Capabilities, Chart, Helm, run
from .content import digest, parse, without_generated
from .objects import Obj, containers, is_hook, kind_name, pod_template
from .values import ValuesFile
from .values import read as read_values
from .workers import Worker, at_rest, workers_in
from .wrap import Image, repository_of, wrap, write_chart

SOURCE: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "kind": {"type": "str", "choices": ["helm", "manifests", "kustomize"], "required": True},
        "chart": {"type": "str"},
        "repo": {"type": "str"},
        "chart_version": {"type": "str"},
        "values": {"type": "dict"},
        "values_files": {"type": "list", "elements": "path"},
        "path": {"type": "path"},
        "image": {"type": "str"},
    },
    "required_if": [
        ("kind", "helm", ("chart",)),
        ("kind", "manifests", ("path",)),
        ("kind", "kustomize", ("path",)),
    ],
}
"""The option `source`; the twin of the doc fragment ``source``."""
_YAML = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Source:
    """The option `source`, as given."""

    kind: str
    chart: str = ""
    repo: str = ""
    chart_version: str = ""
    values: dict[str, t.Any] = field(default_factory=dict)
    values_files: t.Sequence[str] = ()
    path: str = ""
    image: str = ""

    @classmethod
    def of(cls, options: t.Mapping[str, t.Any]) -> Source:
        return cls(**{key: value for key, value in options.items() if value is not None})


@dataclass(frozen=True)
class Rendering:
    """One colour of the source, ready to be installed."""

    colour: str
    release: str
    objects: list[Obj]
    shared: list[Obj]
    hooks: list[Obj]
    digest: str
    chart: Chart
    values: tuple[str, ...]
    workers: tuple[Worker, ...] = ()
    values_files: tuple[ValuesFile, ...] = ()

    @property
    def installed(self) -> list[Obj]:
        """The objects as they are installed, with what works by itself at rest."""
        return at_rest(self.objects, self.workers)


@dataclass(frozen=True)
class Workshop:
    """Where renderings are made: a private folder, the tools, and what they need to know.

    ``services`` are those of the colours, ``workers`` the workloads that work by themselves, without their colour.
    """

    folder: str
    helm: Helm
    name: str
    version: str
    capabilities: Capabilities = field(default_factory=Capabilities)
    workers: tuple[Key, ...] = ()
    services: t.Mapping[str, str] = field(default_factory=dict)

    def release(self, colour: str) -> str:
        return f"{self.name}-{colour}"


def prepare(source: Source, workshop: Workshop) -> Prepared:
    """Do once what both colours need: fetch the chart, or build the manifests."""
    if source.values_files and source.kind != "helm":
        raise Refused("Only a chart has values", where="source.values_files", remedy="leave it out, or set kind helm")
    files = read_values(source.values_files, workshop.folder)
    own = write_private(os.path.join(workshop.folder, "values.json"), json.dumps(source.values))
    values = (*(file.copy for file in files), own)
    if source.kind == "helm":
        return Prepared(source, workshop, values, _chart(source, workshop), [], files)
    if not os.path.exists(source.path):
        raise Refused(f"source.path {source.path!r} does not exist", remedy="correct source.path")
    objects = _built(source.path) if source.kind == "kustomize" else _read(source.path)
    return Prepared(source, workshop, values, None, objects)


@dataclass(frozen=True)
class Prepared:
    """A source of which any colour can be rendered, as often as wanted."""

    source: Source
    workshop: Workshop
    values: tuple[str, ...]
    chart: Chart | None
    manifests: list[Obj]
    values_files: tuple[ValuesFile, ...] = ()

    def render(self, colour: str, known_digest: str = "") -> Rendering:
        """Render a colour. When the digest is not the known one, a second rendering tells generated values apart."""
        rendering = self._rendered(colour) if self.chart else self._wrapped(colour)
        if self.chart and rendering.digest != known_digest:
            again = self._rendered(colour)
            if again.digest != rendering.digest:
                content = without_generated(_all(rendering), _all(again))
                rendering = Rendering(**{**vars(rendering), "digest": digest(content)})
        self._require_image(rendering)
        return rendering

    def _rendered(self, colour: str) -> Rendering:
        chart, release = t.cast(Chart, self.chart), self.workshop.release(colour)
        text = self.workshop.helm.template(release, chart, self.values, self.workshop.capabilities)
        found = parse(text, f"chart {chart.reference}")
        hooks = [obj for obj in found if is_hook(obj)]
        objects = [obj for obj in found if not is_hook(obj)]
        own = self._workers(colour, objects)
        content, files = digest(found), self.values_files
        return Rendering(colour, release, objects, [], hooks, content, chart, self.values, own, files)

    def _wrapped(self, colour: str) -> Rendering:
        release = self.workshop.release(colour)
        parts = wrap(self.manifests, colour, Image(self.source.image, self.workshop.version))
        own = self._workers(colour, parts.coloured)
        folder = os.path.join(self.workshop.folder, release)
        shutil.rmtree(folder, ignore_errors=True)
        chart = Chart(write_chart(folder, self.workshop.name, self.workshop.version, parts.coloured))
        content = digest(parts.coloured)
        return Rendering(colour, release, parts.coloured, parts.shared, [], content, chart, self.values, own)

    def _workers(self, colour: str, objects: t.Sequence[Obj]) -> tuple[Worker, ...]:
        shop = self.workshop
        return workers_in(objects, shop.workers, shop.services.get(colour, ""), shop.release(colour))

    def _require_image(self, rendering: Rendering) -> None:
        """A chart told to run another version than the release is about would prove the wrong thing."""
        if not self.chart or not self.source.image:
            return
        wanted = f"{self.source.image}:{self.workshop.version}"
        images = sorted({image for obj in rendering.objects for image in images_of(obj)})
        if wanted not in images:
            same = [image for image in images if repository_of(image) == self.source.image]
            raise Refused(
                f"The chart renders {', '.join(same or images) or 'no image'}, not {wanted}",
                where=f"chart {rendering.chart.reference}",
                remedy="let source.values set the image tag from the version of the release",
            )


def _all(rendering: Rendering) -> list[Obj]:
    return [*rendering.objects, *rendering.hooks]


def images_of(obj: Obj) -> list[str]:
    return [str(container.get("image", "")) for container in containers(pod_template(obj).get("spec") or {})]


def _chart(source: Source, workshop: Workshop) -> Chart:
    chart = Chart(os.path.expanduser(source.chart), source.repo, source.chart_version)
    if chart.local:
        return chart
    if not source.repo and source.chart.startswith(("/", "./", "../", "~")):
        raise Refused(
            f"The chart {source.chart} does not exist", where="source.chart", remedy="correct the path of the chart"
        )
    folder = os.path.join(workshop.folder, "pulled")
    os.makedirs(folder, mode=0o700)
    return workshop.helm.pull(chart, folder)


def _read(path: str) -> list[Obj]:
    objects = []
    for file in _files(path):
        with open(file, encoding="utf-8") as stream:
            objects += parse(stream.read(), file)
    return _each_once(objects, path)


def _files(path: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    found = sorted(os.path.join(path, name) for name in os.listdir(path) if name.endswith(_YAML))
    if not found:
        raise Refused(f"{path} holds no manifest", where="source.path", remedy="put *.yaml files there")
    return found


def _built(path: str) -> list[Obj]:
    kustomize, kubectl = shutil.which("kustomize"), shutil.which("kubectl")
    if kustomize:
        argv = [kustomize, "build", path]
    elif kubectl:
        argv = [kubectl, "kustomize", path]
    else:
        raise ReleaseError(
            "A kustomization needs kustomize or kubectl, and neither is installed", remedy="install kubectl"
        )
    return _each_once(parse(run(argv, f"building the kustomization {path}", {}, 120), path), path)


def _each_once(objects: list[Obj], path: str) -> list[Obj]:
    seen: set[tuple[str, str]] = set()
    for obj in objects:
        key = (kind_name(obj), str(obj["metadata"]["name"]))
        if key in seen:
            raise Refused(f"{key[0]} {key[1]} is there twice", where=path, remedy="remove one of them")
        seen.add(key)
    return objects
