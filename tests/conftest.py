# SPDX-License-Identifier: GPL-3.0-or-later
"""Make ``ansible_collections.runbook.release`` importable from this checkout for a plain ``pytest``."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
COLLECTION = "ansible_collections.runbook.release"


def _namespace(name: str, path: Path | None) -> None:
    """Register a package that has no folder of its own on sys.path."""
    module = types.ModuleType(name)
    module.__path__ = [str(path)] if path else []
    sys.modules[name] = module
    parent, _dot, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def _is_importable() -> bool:
    try:
        importlib.import_module(COLLECTION)
    except ImportError:
        return False
    return True


if not _is_importable():
    for package in ("ansible_collections", "ansible_collections.runbook"):
        if package not in sys.modules:
            _namespace(package, None)
    _namespace(COLLECTION, ROOT)

settings.register_profile("patient", deadline=None)  # a busy machine is not a wrong answer
settings.load_profile("patient")
