# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time stamps by RFC 3161: an authority says when something existed, and ``openssl ts`` checks it without us."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from .. import web
from ..errors import ReleaseError

TIMEOUT = 30.0
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"


@dataclass(frozen=True)
class Authority:
    """Where time stamps come from, and the certificate that vouches for its."""

    url: str
    ca_cert: str

    def stamp(self, content: bytes) -> bytes:
        """The authority's reply for the SHA-256 of ``content``; an error unless its certificate proves it."""
        with tempfile.TemporaryDirectory() as folder:
            data, query, reply = (os.path.join(folder, name) for name in ("data", "query.tsq", "reply.tsr"))
            with open(data, "wb") as file:
                file.write(content)
            self._openssl(["-query", "-data", data, "-sha256", "-cert", "-out", query])
            with open(query, "rb") as file:
                asked = file.read()
            call = web.Call(self.url, method="POST", headers={"Content-Type": QUERY}, body=asked)
            status, headers, body = web.send(call, timeout=TIMEOUT)
            kind = {name.lower(): value for name, value in headers.items()}.get("content-type", "")
            if status != 200 or kind.partition(";")[0].strip() != REPLY:
                raise self._refused(f"it answers {status} with {kind or 'no content type'}")
            with open(reply, "wb") as file:
                file.write(body)
            self._openssl(["-verify", "-queryfile", query, "-in", reply, "-CAfile", self.ca_cert])
            return body

    def _openssl(self, arguments: Sequence[str]) -> None:
        try:
            done = subprocess.run(["openssl", "ts", *arguments], check=False, capture_output=True, timeout=TIMEOUT)
        except FileNotFoundError as error:
            raise ReleaseError("openssl is not installed", remedy="install OpenSSL, or set no timestamp") from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise self._refused(said[-1] if said else f"openssl ts ended with {done.returncode}")

    def _refused(self, why: str) -> ReleaseError:
        return ReleaseError(
            f"there is no time stamp: {why}",
            where=web.without_secrets(self.url),
            remedy="see that this is an RFC 3161 authority and that timestamp.ca_cert is the certificate it is under",
        )
