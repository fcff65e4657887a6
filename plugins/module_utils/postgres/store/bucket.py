# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of an S3-compatible server, through boto3. Every upload carries a checksum the server verifies."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import IO, Any

from ...errors import Refused, ReleaseError
from .base import CHUNK

PART = 16
"""MiB in one part of an upload: one is on its way while the next one fills, so twice that is in files."""
LEAST_PART = 5
MOST_PARTS = 10_000
_ABSENT = ("404", "NoSuchKey", "NotFound", "NoSuchUpload")
_TAKEN = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")


class Missing(ReleaseError):
    """No such object."""


class Taken(ReleaseError):
    """There is an object of that name already."""


@dataclass(frozen=True)
class Place:
    """Where objects are and how to reach them; without keys and profile boto3 looks where it always does.

    ``part_size`` in MiB. ``lock_days`` 0: objects are not locked; ``lock_mode`` governance or compliance.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = ""
    profile: str = ""
    ca_bundle: str = ""
    part_size: int = PART
    lock_days: int = 0
    lock_mode: str = "governance"

    def __post_init__(self) -> None:
        if self.part_size < LEAST_PART:
            raise Refused(f"part_size is {self.part_size} MiB, S3 demands at least {LEAST_PART}")

    @property
    def where(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" + (f" at {self.endpoint}" if self.endpoint else "")


@dataclass(frozen=True)
class Object:
    """``silent``: seconds since it was written, by the server's clock."""

    key: str
    bytes: int
    silent: float


class Bucket:
    """Reads, writes and lists; keys are without the prefix of the place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._client = _client(place)
        self._lock_writes = place.lock_days > 0

    def objects(self, prefix: str = "") -> list[Object]:
        found = []
        with self._telling("list", prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(**self._at(None), Prefix=self.place.prefix + prefix):
                now = _date(page)
                for each in page.get("Contents", ()):
                    silent = (now - each["LastModified"]).total_seconds()
                    found.append(Object(each["Key"].removeprefix(self.place.prefix), each["Size"], silent))
        return found

    def get(self, key: str) -> bytes:
        return b"".join(self.pieces(key))

    def pieces(self, key: str) -> Iterator[bytes]:
        with self._telling("read", key):
            body = self._client.get_object(**self._at(key))["Body"]
            with contextlib.closing(body):
                yield from body.iter_chunks(CHUNK)

    def put_bytes(self, key: str, content: bytes, *, new: bool = False, locked: bool = True) -> None:
        """``new``: ``Taken`` if there is one already; ``locked``: kept for the days of the place, if it has any."""
        condition = {"IfNoneMatch": "*"} if new else {}
        with self._telling("write", key):
            self._client.put_object(
                **self._at(key), Body=content, ContentMD5=_md5(content), **condition, **self._lock(locked)
            )

    def put(self, key: str, body: IO[bytes], md5: str) -> None:
        with self._telling("write", key):
            self._client.put_object(**self._at(key), Body=body, ContentMD5=md5, **self._lock(True))

    def begin(self, key: str) -> str:
        """Id of an upload in parts."""
        with self._telling("write", key):
            return str(self._client.create_multipart_upload(**self._at(key), **self._lock(True))["UploadId"])

    def part(self, key: str, upload: str, number: int, body: IO[bytes], md5: str) -> dict[str, Any]:
        with self._telling("write", key):
            at = {**self._at(key), "UploadId": upload, "PartNumber": number}
            answer = self._client.upload_part(**at, Body=body, ContentMD5=md5)
        return {"ETag": answer["ETag"], "PartNumber": number}

    def complete(self, key: str, upload: str, parts: list[dict[str, Any]]) -> None:
        with self._telling("write", key):
            self._client.complete_multipart_upload(**self._at(key), UploadId=upload, MultipartUpload={"Parts": parts})

    def abort(self, key: str, upload: str) -> None:
        with contextlib.suppress(Missing), self._telling("abort the upload of", key):
            self._client.abort_multipart_upload(**self._at(key), UploadId=upload)

    def uploads(self) -> list[tuple[str, str]]:
        """Key and id of uploads that were begun and neither completed nor aborted."""
        with self._telling("list the uploads of", ""):
            pages = self._client.get_paginator("list_multipart_uploads")
            found = [
                (each["Key"].removeprefix(self.place.prefix), each["UploadId"])
                for page in pages.paginate(**self._at(None), Prefix=self.place.prefix)
                for each in page.get("Uploads", ())
            ]
        return found

    def delete(self, key: str) -> None:
        with self._telling("delete", key):
            self._client.delete_object(**self._at(key))

    def head(self, key: str) -> Mapping[str, Any]:
        with self._telling("look at", key):
            answer: Mapping[str, Any] = self._client.head_object(**self._at(key))
        return answer

    def retained(self, key: str) -> bool:
        """Whether the server would not let go of it yet."""
        try:
            seen = self.head(key)
        except Missing:
            return False
        until = seen.get("ObjectLockRetainUntilDate")
        return seen.get("ObjectLockLegalHoldStatus") == "ON" or (until is not None and until > _date(seen))

    def _at(self, key: str | None) -> dict[str, str]:
        return {"Bucket": self.place.bucket} | ({} if key is None else {"Key": self.place.prefix + key})

    def _lock(self, wanted: bool) -> dict[str, Any]:
        if not wanted or not self._lock_writes:
            return {}
        until = datetime.now(UTC) + timedelta(days=self.place.lock_days)
        return {"ObjectLockMode": self.place.lock_mode.upper(), "ObjectLockRetainUntilDate": until}

    @contextlib.contextmanager
    def _telling(self, verb: str, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        name = self.place.prefix + key or self.place.bucket
        try:
            yield
        except ClientError as error:
            raise _said(error.response, verb, name, self.place.where) from error
        except (BotoCoreError, HTTPError) as error:
            raise ReleaseError(
                f"cannot {verb} {name}: {error}",
                where=self.place.where,
                remedy="check endpoint, keys and network; a backup that was being written does not exist",
            ) from error


def _said(response: Mapping[str, Any], verb: str, name: str, where: str) -> ReleaseError:
    """The server's words as an error."""
    said = response.get("Error", {})
    code, message = str(said.get("Code", "")), str(said.get("Message", ""))
    request = response.get("ResponseMetadata", {}).get("RequestId", "")
    kind = Missing if code in _ABSENT else Taken if code in _TAKEN else ReleaseError
    return kind(f"cannot {verb} {name}: {code} {message} (request {request})", where=where)


def _client(place: Place) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        s3={"addressing_style": "path" if place.endpoint else "auto"},
    )
    given = {
        "aws_access_key_id": place.access_key,
        "aws_secret_access_key": place.secret_key,
        "profile_name": place.profile,
        "region_name": place.region or ("us-east-1" if place.endpoint else ""),
    }
    try:
        session = boto3.session.Session(**{name: value for name, value in given.items() if value})
        return session.client("s3", endpoint_url=place.endpoint or None, verify=place.ca_bundle or None, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ReleaseError(f"cannot use {place.where}: {error}") from error


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _date(answer: Mapping[str, Any]) -> datetime:
    """The server's clock."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
