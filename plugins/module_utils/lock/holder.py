# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Who holds a lock, as others will read it."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping


def holder_of(environ: Mapping[str, str]) -> str:
    """The AWX job, when this is one, else user@host."""
    if environ.get("AWX_HOST") and environ.get("JOB_ID"):
        return f"AWX job {environ['JOB_ID']} of {environ['AWX_HOST']}"
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def lease_name(system: str, environment: str) -> str:
    """``<system>-<environment>``, as the API server allows names."""
    return f"{system}-{environment}".lower().replace("_", "-")
