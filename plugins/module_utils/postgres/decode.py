# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an archive can be read to its end. Its codecs notice what is cut off, and only some of what was changed."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Refused
from . import bring
from .manifest import Check, Manifest

if TYPE_CHECKING:
    from .server import Server
    from .store.base import Store

_TESTERS = {".lz4": "lz4", ".zst": "zstd"}
_LONGEST = 300


def checks(server: Server, store: Store, manifest: Manifest) -> Iterator[Check]:
    """pg_restore reads all of it into nothing; then every file of a folder through its codec."""
    program = server.program("pg_restore")
    if not Path(program.path).is_file():
        raise Refused(
            f"level decode needs pg_restore {program.major} on this machine",
            remedy="install it here, or prove the backup to level restore, which reads all of it in the server",
        )
    with store.fetched(manifest.id) as folder:
        archive = folder / bring.archive_name(manifest)
        whole = archive.parent if archive.name == bring.TOC else archive
        yield _ran("pg_restore reads all of it", [program.path, "--file=/dev/null", str(whole)])
        if whole.is_dir():
            yield from _codecs(whole)


def _codecs(folder: Path) -> Iterator[Check]:
    for path in sorted(folder.iterdir()):
        if path.suffix == ".gz":
            yield _gzip(path)
        elif path.suffix in _TESTERS:
            tester = shutil.which(_TESTERS[path.suffix])
            if tester is None:
                raise Refused(
                    f"{path.name} can only be checked with the program {_TESTERS[path.suffix]}",
                    remedy=f"install {_TESTERS[path.suffix]}, or prove the backup to level restore",
                )
            yield _ran(f"{path.name} decodes", [tester, "-t", "-q", str(path)])


def _gzip(path: Path) -> Check:
    try:
        with gzip.open(path) as stream:
            while stream.read(1 << 20):
                pass
    except (OSError, EOFError, zlib.error) as error:
        return Check(f"{path.name} decodes", "to its end", str(error), False)
    return Check(f"{path.name} decodes", "to its end", "to its end", True)


def _ran(name: str, command: list[str]) -> Check:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace").strip()
    found = "to its end" if done.returncode == 0 else said[-_LONGEST:] or f"exit code {done.returncode}"
    return Check(name, "to its end", found, done.returncode == 0)
