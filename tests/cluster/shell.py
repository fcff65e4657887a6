# SPDX-License-Identifier: GPL-3.0-or-later
"""Running other programs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.say import Problem


def attempt(
    argv: Sequence[str],
    stdin: str | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, input=stdin, cwd=folder, env=environment, check=False, capture_output=True, text=True)


def run(argv: Sequence[str], stdin: str | None = None) -> str:
    done = attempt(argv, stdin)
    if done.returncode:
        raise Problem(f"`{' '.join(argv)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def mortal(*argv: str) -> list[str]:
    """A command that ends when we do, even when we are killed."""
    return ["setpriv", "--pdeathsig", "TERM", *argv]


def tail(text: str, lines: int = 8) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
