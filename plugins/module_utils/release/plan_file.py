# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A plan as two files in a folder: ``plan.json``, which is the plan, and ``plan.md``, which people read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ..errors import Refused, ReleaseError
from .plan import TYPE, Plan

NAME, PAGE = "plan.json", "plan.md"


def read(path: Path) -> Plan:
    """The plan of a file, or of a folder with one; refused unless it is as it was made."""
    file = path / NAME if path.is_dir() else path
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
        content, said = given["plan"], given["digest"]
    except OSError as error:
        remedy = "make it with playbooks/plan.yml, or correct the path"
        raise Refused(f"The plan cannot be read: {error.strerror}", where=str(file), remedy=remedy) from error
    except (ValueError, KeyError, TypeError):
        content, said = None, ""
    plan = known(content, str(file))
    if plan.digest != said:
        raise Refused(
            f"The plan was edited after it was made: its content has the digest {plan.digest}, it says {said}",
            where=str(file),
            remedy="make a new plan with playbooks/plan.yml and have it approved",
        )
    return plan


def known(content: Any, where: str) -> Plan:
    """The plan this is; refused if it is something else."""
    if not isinstance(content, dict) or content.get("type") != TYPE or not isinstance(content.get("inputs"), dict):
        raise Refused("This is not a plan", where=where, remedy=f"give the {NAME} that playbooks/plan.yml wrote")
    return Plan(content)


def text_of(plan: Plan) -> str:
    document = {"digest": plan.digest, "plan": plan.content}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def standing(folder: Path, name: str) -> str:
    """What a file of the folder holds; empty if there is none that can be read."""
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def write(folder: Path, plan: Plan, page: str, *, dry_run: bool = False) -> bool:
    """Write both files for their owner only; whether that changed anything."""
    wanted = {NAME: text_of(plan), PAGE: page}
    outdated = {name: text for name, text in wanted.items() if standing(folder, name) != text}
    if outdated and not dry_run:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, text in outdated.items():
                _put(folder / name, text)
        except OSError as error:
            raise ReleaseError(
                f"The plan cannot be written: {error.strerror}", where=str(folder), remedy="choose another path"
            ) from error
    return bool(outdated)


def _put(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".plan-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
