# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""``ssh-keygen``, for whoever signs or checks a signature, where it cannot ask anybody for a passphrase."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from .errors import ReleaseError

NAMESPACE = "runbook.release"
TIMEOUT = 60


def ssh_keygen(options: Sequence[str], text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """However it ended; ``ReleaseError`` if it is not there or does not end."""
    env = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["ssh-keygen", *options],
            input=text,
            capture_output=True,
            check=False,
            env=env,
            start_new_session=True,
            timeout=TIMEOUT,
        )
    except FileNotFoundError:
        raise ReleaseError(
            "ssh-keygen is not installed", where="PATH of this host", remedy="install the OpenSSH client, 8.2 or newer"
        ) from None
    except subprocess.TimeoutExpired:
        raise ReleaseError(
            f"ssh-keygen did not answer within {TIMEOUT} s",
            remedy="see whether the SSH agent or the security key waits for somebody",
        ) from None


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """Its last words."""
    lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else f"exit code {done.returncode}"
