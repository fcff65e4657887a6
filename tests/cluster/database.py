# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL with TimescaleDB from Debian packages, newer ones than the machine may have: its apt is left as it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cluster.images import USER, Image, layer
from cluster.plan import DATABASE_MAJOR, DATABASE_SUITE, STAND_INS
from cluster.say import Problem
from cluster.shell import attempt, mortal, tail

KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = (
    f"postgresql-{DATABASE_MAJOR}",
    f"postgresql-{DATABASE_MAJOR}-timescaledb",
    "base-files",
    "coreutils",
    "dash",
    "grep",
    "sed",
)
PROGRAMS = f"/usr/lib/postgresql/{DATABASE_MAJOR}"
LEFT_OUT = (
    *(f"/usr/share/{name}/*" for name in ("doc", "man", "locale", "i18n", "perl", "perl5", "postgresql-common")),
    *(f"/usr/lib/*/{name}*" for name in ("perl", "libLLVM", "libperl", "libz3", "libdb-")),
    *(f"{PROGRAMS}/lib/{name}" for name in ("bitcode/*", "pgxs/*", "llvmjit*")),
    "/usr/bin/perl*",
)
ENTRYPOINT = STAND_INS / "database" / "entrypoint.sh"
SOURCES = (Path(__file__), ENTRYPOINT)
ACCOUNT = f"postgres:x:{USER}:{USER}::/var/lib/postgresql:/bin/sh\n"
ENVIRONMENT = {
    "PATH": f"{PROGRAMS}/bin:/usr/local/bin:/usr/bin:/bin",
    "PGDATA": "/var/lib/postgresql/data/pgdata",
    "LANG": "C.UTF-8",
}


def images(scratch: Path, apt_sources: Path) -> list[Image]:
    """`timescaledb`, and `postgres`: the same without the extension loaded."""
    layers = (_packages(scratch, _mirror(apt_sources)), _own_files(scratch))

    def image(name: str, *more: str) -> Image:
        return Image(f"localhost/{name}:{DATABASE_MAJOR}", layers, ("entrypoint", *more), ENVIRONMENT)

    return [image("timescaledb", "-cshared_preload_libraries=timescaledb"), image("postgres")]


def _packages(scratch: Path, mirror: str) -> Path:
    target = scratch / "packages.tar"
    options = ("--mode=root", "--variant=extract", f"--include={','.join(PACKAGES)}")
    small = (f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT)
    source = f"deb [signed-by={KEYS}] {mirror} {DATABASE_SUITE} main"
    done = attempt(
        mortal("mmdebstrap", *options, *small, DATABASE_SUITE, str(target), source),
        environment={**os.environ, "TMPDIR": str(scratch)},
    )
    if done.returncode:
        raise Problem(f"No database image: {tail(done.stderr)}")
    return target


def _own_files(scratch: Path) -> Path:
    sockets = scratch / "sockets"
    sockets.mkdir()
    sockets.chmod(0o1777)
    for name, text in (("passwd", ACCOUNT), ("group", f"postgres:x:{USER}:\n")):
        (scratch / name).write_text(text)
    return layer(
        scratch / "own",
        [
            (scratch / "passwd", "/etc/passwd"),
            (scratch / "group", "/etc/group"),
            (sockets, "/var/run/postgresql"),
            (ENTRYPOINT, "/usr/local/bin/entrypoint"),
        ],
    )


def _mirror(apt_sources: Path) -> str:
    """Where this machine has its packages from."""
    found = re.search(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(\S+)", apt_sources.read_text(), re.MULTILINE)
    if not found:
        raise Problem(f"No package mirror is named in {apt_sources}.")
    return found[1]
