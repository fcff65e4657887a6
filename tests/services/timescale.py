# SPDX-License-Identifier: GPL-3.0-or-later
"""TimescaleDB on the PostgreSQL of the cluster's database image, run from the unpacked layers of that image."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster import catalogue, database
from cluster.plan import DATABASE_MAJOR

from services.packages import alone, cache, require
from services.postgres import Postgres, as_account, programs

PROGRAMS = f"{database.PROGRAMS}/bin"
CLIENTS = ("pg_dump", "pg_restore", "psql", "pg_amcheck", "pg_dumpall", "pgbench")
SETTINGS: Mapping[str, object] = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "dynamic_shared_memory_type": "mmap",
}
# The mounts are in a namespace of the server alone. $0 is the image, $1 the folder with the data.
ENTER = """
set -e
mount --bind "$0" /mnt
mount -t tmpfs tmpfs /mnt/tmp
mkdir -p "/mnt$1"
mount --bind "$1" "/mnt$1"
mount --rbind /dev /mnt/dev
mount --bind /etc/passwd /mnt/etc/passwd
shift
exec "$@"
"""


class Timescale(Postgres):
    """Its programs are called through the image's own C library, so they work on this machine's files."""

    def __init__(self, _major: int, settings: Mapping[str, object]) -> None:
        super().__init__(DATABASE_MAJOR, {**SETTINGS, **settings})

    def _programs(self) -> Path:
        programs()  # the account it runs as comes with them
        self._root = image()
        bindir = self.folder / "bin"
        bindir.mkdir()
        (loader,) = (self._root / "usr").glob("lib*/ld-linux-*.so.*")
        (libraries,) = (self._root / "usr" / "lib").glob("*-linux-gnu")
        for name in CLIENTS:
            program = bindir / name
            program.write_text(
                f'#!/bin/sh\nexec {loader} --library-path {libraries} {self._root}{PROGRAMS}/{name} "$@"\n'
            )
            program.chmod(0o755)
        return bindir

    def _inside(self, name: str) -> str:
        return f"{PROGRAMS}/{name}"

    def _unprivileged(self, command: Sequence[str]) -> list[str]:
        may = ("--inh-caps=+sys_chroot", "--ambient-caps=+sys_chroot")
        enter = ["unshare", "--mount", "sh", "-c", ENTER, str(self._root), str(self.folder)]
        return [*enter, *as_account(["chroot", "/mnt", *command], *may)]


def image() -> Path:
    """The unpacked image; assembled once."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in database.SOURCES)).hexdigest()[:12]
    target = cache() / f"timescaledb-{digest}"
    with alone(target):
        if not target.exists():
            require("mmdebstrap", "mmdebstrap")
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                _unpack(Path(scratch)).rename(target)
    return target


def _unpack(scratch: Path) -> Path:
    root = scratch / "root"
    for layer in database.images(scratch, catalogue.apt_sources())[0].layers:
        with tarfile.open(layer) as archive:
            archive.extractall(root, filter="fully_trusted")
    return root
