# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the cluster tool importable, as `python3 tests/cluster` does, and the application of the stand-ins."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "stand_ins")]
