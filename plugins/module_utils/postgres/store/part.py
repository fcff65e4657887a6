# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of an object on its way into a bucket, in a file without a name: parts are large, memory stays small."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from pathlib import Path
from typing import IO

from ...errors import ReleaseError


class Part:
    """What is written is sent as the body of one request; nobody else sees the file, and it goes with the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = self._made()
        self._digest = hashlib.md5(usedforsecurity=False)
        self.bytes = 0

    @property
    def md5(self) -> str:
        """As the header Content-MD5 has it."""
        return base64.b64encode(self._digest.digest()).decode()

    def _made(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._folder, buffering=0)

    def write(self, piece: memoryview) -> None:
        self._digest.update(piece)
        self.bytes += len(piece)
        try:
            while piece:
                piece = piece[self._file.write(piece) :]
        except OSError as error:
            raise ReleaseError(
                f"cannot keep a part of the upload in {self._folder}: {error.strerror}",
                remedy="make room there, or set TMPDIR to where there is some; nothing of this backup is left",
            ) from error

    def body(self) -> IO[bytes]:
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        self._file.close()
