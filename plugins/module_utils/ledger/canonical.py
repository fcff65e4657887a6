# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One byte string for one value, by RFC 8785, and its SHA-256.

The package ``rfc8785`` does it: pure Python without dependencies, and number formatting is not worth a second version.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..errors import Refused

EXACT = 2**53 - 1


def canonical(value: Any) -> bytes:
    """The canonical JSON of ``value``; what JSON cannot hold exactly is refused."""
    import rfc8785

    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise Refused(
            f"this cannot be recorded exactly as JSON: {error}",
            remedy="give text, booleans, lists, mappings and numbers up to 2^53; write anything else as text",
        ) from error


def parse(text: str) -> Any:
    """What ``text`` is the canonical JSON of; ``ValueError`` if it is no JSON at all.

    An integer too large to be exact was a floating-point number when it was written.
    """
    try:
        return json.loads(text, parse_int=lambda digits: _number(int(digits)))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _number(number: int) -> int | float:
    return number if abs(number) <= EXACT else float(number)
