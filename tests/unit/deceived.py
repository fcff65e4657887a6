# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria that can be read, and pass or stay silent where they should not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def deceived(criterion: Mapping[str, Any]) -> bool:
    """None failed, because nothing is labelled so; or a server that hangs ends all requests with the first."""
    source = criterion["source"]
    query, fresh = str(source.get("query", "")), str(source.get("fresh", ""))
    unlabelled = "or vector(0)" in query and "status=" in query and "status" not in fresh
    hangs = (
        criterion["select"] == "failures_in_a_row" and source["kind"] == "http" and not source.get("request_timeout")
    )
    return unlabelled or hangs
