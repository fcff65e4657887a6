# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The files of a folder that is begun for somebody who goes on with it: what is theirs by now is left alone."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Refused, ReleaseError

Contents = Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """``write`` are the files that are missing or differ, ``over`` those of them that are there."""

    write: Contents
    over: tuple[str, ...]


def plan(have: Contents, want: Contents, yours: Collection[str]) -> Plan:
    """What to write so that ``want`` is there; what is ``yours`` is written once, and never again. Pure."""
    write = {
        name: content
        for name, content in want.items()
        if name not in have or (name not in yours and have[name] != content)
    }
    return Plan(write, tuple(name for name in write if name in have))


def lay_out(folder: str, want: Contents, yours: Collection[str], *, replace: bool, dry_run: bool) -> dict[str, Any]:
    """Write what the plan says; ``Refused`` if that is over files that differ, without consent to ``replace``."""
    have = observe(folder, want)
    planned = plan(have, want, yours)
    if planned.over and not replace:
        raise Refused(
            f"{', '.join(planned.over)} would be written over; nothing was changed",
            where=folder,
            remedy="see the difference with replace, --check and --diff, then leave those out; or choose another place",
            differing=list(planned.over),
        )
    if not dry_run:
        for name, content in planned.write.items():
            _write(Path(folder, name), content)
    diff = [
        {"before_header": name, "after_header": name, "before": have.get(name, ""), "after": content}
        for name, content in planned.write.items()
    ]
    return {"changed": bool(planned.write), "written": list(planned.write), "diff": diff}


def observe(folder: str, names: Collection[str]) -> dict[str, str]:
    """The content of the files that are there."""
    for name in names:
        if os.path.isabs(name) or ".." in Path(name).parts:
            raise Refused(f"{name} leads out of the folder", where="option files", remedy="name files below it")
    found = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), _telling(Path(folder, name)):
            found[name] = Path(folder, name).read_text("utf-8")
    return found


def _write(path: Path, content: str) -> None:
    """Whole or not at all."""
    with _telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
            os.chmod(unfinished, path.stat().st_mode & 0o777 if path.exists() else 0o644)
            os.replace(unfinished, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(unfinished)


@contextlib.contextmanager
def _telling(path: Path) -> Any:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseError(
            f"A file cannot be read or written: {error}", where=str(path), remedy="choose another folder"
        ) from error
