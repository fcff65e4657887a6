# SPDX-License-Identifier: GPL-3.0-or-later
"""One criterion about a real server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import measure
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.verdict import Verdict

MINUTE = 60
Ask = Callable[..., Verdict]


def judge(
    source: dict[str, Any], select: str, expect: Any, timeout: float = MINUTE, aggregate: str = "", samples: int = 1
) -> Verdict:
    entry = {"name": "it", "source": source, "select": select, "expect": expect, "timeout": timeout}
    (criterion,) = parse_criteria([{**entry, "aggregate": aggregate, "samples": samples}])
    return measure(criterion, World(), time.monotonic() + MINUTE)
