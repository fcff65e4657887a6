# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of a server: where it comes from, and how programs get it without anybody seeing it."""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
import typing as t
from pathlib import Path

from ..errors import Refused
from ..kube.kinds import SECRET

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient


def password_of(given: t.Mapping[str, t.Any], client: KubeClient | None) -> str:
    """The password the option ``server`` names, or an empty text when it names none."""
    if given.get("password"):
        found, source = str(given["password"]), "server.password"
    elif given.get("password_file"):
        found, source = _from_file(str(given["password_file"])), str(given["password_file"])
    elif given.get("password_secret"):
        reference = given["password_secret"]
        namespace = str(reference.get("namespace") or given.get("namespace") or "")
        found, source = _from_cluster(reference, namespace, client), f"Secret {namespace}/{reference['name']}"
    else:
        return ""
    if not found or "\n" in found or "\0" in found:
        raise Refused("the password is empty or has more than one line", where=source, remedy="correct it there")
    return found


def _from_file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"the password cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}",
            where=path,
            remedy="check server.password_file",
        ) from error


def _from_cluster(reference: t.Mapping[str, t.Any], namespace: str, client: KubeClient | None) -> str:
    if client is None or not namespace:
        raise Refused(
            "a password in a Secret needs the cluster and a namespace", remedy="set server.password_secret.namespace"
        )
    secret = client.get(SECRET, reference["name"], namespace)
    data = (secret or {}).get("data") or {}
    if reference["key"] not in data:
        raise Refused(
            f"the Secret has no key {reference['key']}" if secret else "there is no such Secret",
            where=f"Secret {namespace}/{reference['name']}",
            remedy="correct server.password_secret" + (f"; it has {', '.join(sorted(data))}" if data else ""),
        )
    return base64.b64decode(data[reference["key"]]).decode("utf-8").removesuffix("\n")


@contextlib.contextmanager
def password_file(password: str) -> t.Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """Environment and file descriptors that let a program of libpq log in.

    The file has no name from the start, so nothing is left of it even when this process is killed.
    """
    if not password:
        yield {}, ()
        return
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    with tempfile.TemporaryFile() as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"*:*:*:*:{escaped}\n".encode())
        file.flush()
        yield {"PGPASSFILE": f"/dev/fd/{file.fileno()}", "PGPASSWORD": ""}, (file.fileno(),)
