# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What was kept of an incident on the machine the module runs on, so that nobody can change it unseen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

from ..errors import Refused
from ..ledger.canonical import digest


def kept(path: str, whole: bool) -> dict[str, Any]:
    """How many files a folder has, and one SHA-256 over their names and contents; ``whole`` unless there is none."""
    sums = dict(_files(path)) if os.path.isdir(path) else {}
    return {"path": path, "files": len(sums), "sha256": digest(sums), "whole": whole and bool(sums)}


def _files(path: str) -> Iterator[tuple[str, str]]:
    for folder, _folders, names in os.walk(path, onerror=_raise):
        for name in names:
            full = os.path.join(folder, name)
            try:
                with open(full, "rb") as file:
                    yield os.path.relpath(full, path), hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                _raise(error)


def _raise(error: OSError) -> None:
    raise Refused(f"the evidence cannot be read: {error.strerror}", where=str(error.filename), remedy="keep it again")
