# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One archive for an auditor: the ledger, the files of the release, and a signed statement with their digests."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from ..errors import Refused, ReleaseError
from .canonical import canonical
from .chain import Entry
from .dsse import Signer, envelope
from .stamp import Authority

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://github.com/runbook-release/runbook.release/ledger/v1"
ATTESTATION = "attestation.dsse.json"
STAMP = f"{ATTESTATION}.tsr"
BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Member:
    """One file of the archive: its content, or where to read it."""

    name: str
    size: int
    sha256: str
    content: bytes | None = None
    path: str = ""

    def open(self) -> IO[bytes]:
        return io.BytesIO(self.content) if self.content is not None else open(self.path, "rb")

    def report(self) -> dict[str, Any]:
        return {"name": self.name, "size": self.size, "sha256": self.sha256}


def in_memory(name: str, lines: Sequence[str]) -> Member:
    return _bytes(name, "".join(f"{line}\n" for line in lines).encode())


def on_disk(paths: Sequence[str]) -> list[Member]:
    """The files, and those below the folders, under ``files/``."""
    members: dict[str, Member] = {}
    for name, path in (pair for given in paths for pair in _walk(given)):
        if name in members:
            raise Refused(
                f"two files would be {name} in the archive",
                where=f"{members[name].path}, {path}",
                remedy="rename one of them, or give the folder above both",
            )
        with _reading(path), open(path, "rb") as file:
            members[name] = Member(name, os.fstat(file.fileno()).st_size, _hash(file), path=path)
    return [members[name] for name in sorted(members)]


def statement(release: str, namespace: str, entries: Sequence[Entry], members: Sequence[Member]) -> bytes:
    """An in-toto statement: these files, with these digests, are the record of this release."""
    last = entries[-1]
    return canonical(
        {
            "_type": STATEMENT,
            "subject": [{"name": member.name, "digest": {"sha256": member.sha256}} for member in members],
            "predicateType": PREDICATE,
            "predicate": {
                "release": release,
                "namespace": namespace,
                "entries": len(entries),
                "head": last.head.report(),
                "began": entries[0].when,
                "ended": last.when,
            },
        }
    )


def write(
    target: str, payload: bytes, members: Sequence[Member], signer: Signer, authority: Authority | None = None
) -> None:
    """Write the archive, or nothing: it has its name only when it is complete and on disk."""
    signed = canonical(envelope(payload, signer))
    attested = [_bytes(ATTESTATION, signed)]
    if authority:
        attested.append(_bytes(STAMP, authority.stamp(signed)))
    folder = os.path.dirname(os.path.abspath(target))
    try:
        descriptor, unfinished = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(target)}.")
    except OSError as error:
        raise _unwritten(target, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            with (
                gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
            ):
                for member in (*members, *attested):
                    _put(archive, member)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    except OSError as error:
        raise _unwritten(target, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)


def holds(target: str, payload: bytes, keyid: str, stamped: bool = False) -> bool:
    """Whether the archive is there already: this statement, signed with this key, and every file it names intact."""
    try:
        with tarfile.open(target) as archive:
            found = {member.name: _hash(stream) for member in archive if (stream := archive.extractfile(member))}
            signed = archive.extractfile(ATTESTATION)
            attested = json.load(signed) if signed else {}
        wanted = {subject["name"]: subject["digest"]["sha256"] for subject in json.loads(payload)["subject"]}
        found.pop(ATTESTATION, None)
        if (found.pop(STAMP, None) is None) == stamped:
            return False
        signers = [signature["keyid"] for signature in attested["signatures"]]
        return base64.b64decode(attested["payload"]) == payload and found == wanted and signers == [keyid]
    except (OSError, EOFError, tarfile.TarError, ValueError, KeyError, TypeError):
        return False


def file_digest(path: str) -> str:
    with _reading(path), open(path, "rb") as file:
        return _hash(file)


def _bytes(name: str, content: bytes) -> Member:
    return Member(name, len(content), hashlib.sha256(content).hexdigest(), content)


class _Hashing(io.RawIOBase):
    """Reads, and remembers what was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.digest.update(block)
        return block


def _put(archive: tarfile.TarFile, member: Member) -> None:
    info = tarfile.TarInfo(member.name)
    info.size, info.mode = member.size, 0o600
    with member.open() as stream:
        reader = _Hashing(stream)
        archive.addfile(info, reader)
    if reader.digest.hexdigest() != member.sha256:
        raise Refused(
            "a file changed while it was being archived",
            where=member.path,
            remedy="wait until nothing writes to it, then export again",
        )


def _walk(given: str) -> Iterator[tuple[str, str]]:
    top = os.path.abspath(given)
    if not os.path.isdir(top):
        yield f"files/{os.path.basename(top)}", top
        return
    for folder, _folders, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            yield f"files/{os.path.relpath(path, os.path.dirname(top))}", path


def _hash(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(
            f"a file for the archive cannot be read: {error.strerror}",
            where=path,
            remedy="give files and folders that exist on the machine the module runs on",
        ) from error


def _unwritten(target: str, error: OSError) -> ReleaseError:
    return ReleaseError(
        f"the archive cannot be written: {error.strerror or error}",
        where=target,
        remedy="make the folder, free some space, or choose another target",
    )
