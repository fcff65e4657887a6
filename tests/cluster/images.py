# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images without a container engine: docker-archive tars, written here, imported by containerd."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

USER = 1000


@dataclass(frozen=True)
class Image:
    """What `docker build` would make of a few COPY, ENV and CMD lines."""

    reference: str
    layers: tuple[Path, ...]
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    also: tuple[str, ...] = ()
    """Further references of the same image."""


def layer(target: Path, files: Sequence[tuple[Path, str]]) -> Path:
    """A layer with each source (a file or a folder) at its place in the image."""
    with tarfile.open(target, "w") as archive:
        for source, name in files:
            archive.add(source.resolve(), name.lstrip("/"), filter=_reproducible)
    return target


def _reproducible(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def write_archive(target: Path, images: Sequence[Image]) -> None:
    """All images in one docker-archive; a layer that several share is stored once."""
    digests = {path: _sha256(path) for image in images for path in image.layers}
    partial = target.with_suffix(".partial")
    with tarfile.open(partial, "w") as archive:
        for path, digest in {digest: path for path, digest in digests.items()}.items():
            archive.add(digest, f"{path}.tar", filter=_reproducible)
        manifest = []
        for image in images:
            config = _config(image, [digests[path] for path in image.layers])
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add_bytes(archive, name, config)
            layers = [f"{digests[path]}.tar" for path in image.layers]
            manifest.append({"Config": name, "RepoTags": [image.reference, *image.also], "Layers": layers})
        _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())
    os.replace(partial, target)


def _config(image: Image, digests: Sequence[str]) -> bytes:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **image.environment}
    return json.dumps(
        {
            "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
            "os": "linux",
            "config": {
                "Cmd": list(image.command),
                "Env": [f"{name}={value}" for name, value in environment.items()],
                "User": str(USER),
                "WorkingDir": image.folder,
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        }
    ).encode()


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
