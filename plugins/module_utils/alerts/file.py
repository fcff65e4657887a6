# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule file: read and written as a whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import ReleaseError
from .rules import Rule

MODE = 0o644
_HEADER = "# Written by runbook.release.release_alert_rules out of release_alerts; what is changed here is lost.\n"


def text_of(group: Rule) -> str:
    """The rule file with this group."""
    import yaml

    return _HEADER + yaml.safe_dump({"groups": [group]}, sort_keys=False, allow_unicode=True, width=120)


def standing(path: Path) -> str:
    """What is there; empty if nothing is."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as exc:
        raise _trouble("read", path, exc) from exc


def write(path: Path, text: str) -> None:
    """Prometheus, which is somebody else, may read it, and never sees half of it."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".alerts-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(name).chmod(MODE)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise _trouble("written", path, exc) from exc


def _trouble(done: str, path: Path, exc: OSError | ValueError) -> ReleaseError:
    reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
    return ReleaseError(f"The rule file cannot be {done}: {reason}", where=str(path), remedy="correct path")
