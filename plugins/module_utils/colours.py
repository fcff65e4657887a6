# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The two slots of a component, and the prefix of what the collection writes on objects."""

from __future__ import annotations

COLOURS = ("blue", "green")
PREFIX = "runbook.release/"


def other(colour: str) -> str:
    return COLOURS[1 - COLOURS.index(colour)]
