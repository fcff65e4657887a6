# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a witness is told to do."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import ReleaseError
from .lines import STREAM

HTTP2 = "http2"
SHAPES = ("new", "keepalive", HTTP2, STREAM)

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Url:
    """An address to ask; `address` is the IP to connect to while host name and SNI stay those of `url`."""

    url: str
    address: str = ""
    ca_cert: str = ""

    @property
    def authority(self) -> str:
        """Host and port, as k6 wants them to override name resolution."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or _PORTS[parts.scheme]}"

    @property
    def encrypted(self) -> bool:
        return self.url.startswith("https:")


@dataclass(frozen=True)
class Spec:
    """Everything that makes two witnesses the same; a started witness is left alone when asked for the same again."""

    urls: tuple[Url, ...]
    identity: Mapping[str, str]
    versions: tuple[str, ...]
    shapes: tuple[str, ...]
    rate: float
    timeout_ms: int
    duration: int
    stream_url: Url | None = None

    def to_dict(self) -> dict[str, Any]:
        """As written to the folder: lists, not tuples, so that it compares equal after JSON."""
        return {
            **asdict(self),
            "urls": [asdict(url) for url in self.urls],
            "versions": list(self.versions),
            "shapes": list(self.shapes),
        }

    def urls_of(self, shape: str) -> list[str]:
        if shape == STREAM:
            return [self.stream_url.url] if self.stream_url else []
        return [url.url for url in self.urls if url.encrypted or shape != HTTP2]

    @property
    def all_urls(self) -> tuple[Url, ...]:
        return (*self.urls, self.stream_url) if self.stream_url else self.urls

    @property
    def paced_shapes(self) -> tuple[str, ...]:
        """The shapes that share the rate: a stream follows the one before it."""
        return tuple(shape for shape in self.shapes if shape != STREAM)

    @property
    def pause(self) -> float:
        """Seconds between two requests of one paced shape."""
        return len(self.paced_shapes) / self.rate


def spec_from(params: Mapping[str, Any]) -> Spec:
    """The module's options as a `Spec`, or an error that names the option."""
    urls = tuple(_url(entry, f"urls[{place}]") for place, entry in enumerate(_required(params, "urls")))
    stream_url = _url(params["stream_url"], "stream_url") if params.get("stream_url") else None
    spec = Spec(
        urls=urls,
        identity=_identity(params.get("identity") or {}),
        versions=tuple(str(version) for version in _required(params, "versions")),
        shapes=_shapes(params.get("shapes"), urls, stream_url),
        rate=_positive(params, "rate"),
        timeout_ms=int(_positive(params, "timeout")),
        duration=int(_positive(params, "duration")),
        stream_url=stream_url,
    )
    _check_addresses(spec.all_urls)
    return spec


def _required(params: Mapping[str, Any], option: str) -> Sequence[Any]:
    given = params.get(option)
    if not given:
        raise ReleaseError("A witness needs at least one entry", where=option)
    return list(given)


def _positive(params: Mapping[str, Any], option: str) -> float:
    number = float(params[option])
    if not math.isfinite(number) or number <= 0:
        raise ReleaseError(f"{params[option]!r} is not a number greater than 0", where=option)
    return number


def _identity(given: Mapping[str, Any]) -> dict[str, str]:
    named = {way: str(value) for way, value in given.items() if value}
    if len(named) != 1 or not named.keys() <= {"json", "header"}:
        raise ReleaseError(
            "It has to be known where an answer names its version",
            where="identity",
            remedy="give either json (a dotted key of the body) or header (its name)",
        )
    return named


def _url(entry: Mapping[str, Any], where: str) -> Url:
    url = Url(entry.get("url") or "", entry.get("address") or "", entry.get("ca_cert") or "")
    _check_web_address(url.url, f"{where}.url")
    if url.address:
        try:
            ipaddress.ip_address(url.address)
        except ValueError as exc:
            raise ReleaseError(f"{url.address!r} is not an IP address", where=f"{where}.address") from exc
    return url


def _check_web_address(url: str, where: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ReleaseError(f"{url!r} is not an http or https URL", where=where)
    if parts.username or parts.password:
        raise ReleaseError("A URL with a password in it would be written to disk", where=where)


def _check_addresses(urls: Sequence[Url]) -> None:
    """k6 overrides the resolution of a name, not of a URL."""
    addresses: dict[str, str] = {}
    for url in urls:
        if addresses.setdefault(url.authority, url.address) != url.address:
            raise ReleaseError(
                f"One witness cannot reach {url.authority} at two addresses",
                where="urls, stream_url",
                remedy="give all URLs of that host and port the same address, or start a second witness",
            )


def _shapes(wanted: Sequence[str] | None, urls: Sequence[Url], stream_url: Url | None) -> tuple[str, ...]:
    possible = {
        "new": True,
        "keepalive": True,
        HTTP2: any(url.encrypted for url in urls),
        STREAM: bool(stream_url),
    }
    missing = {HTTP2: "an https URL in urls", STREAM: "stream_url"}
    for shape in wanted or ():
        if not possible[shape]:
            raise ReleaseError(f"The shape {shape} needs {missing[shape]}", where="shapes")
    if wanted and set(wanted) == {STREAM}:
        raise ReleaseError("A stream alone proves nothing between its ends", where="shapes", remedy="add a shape")
    return tuple(shape for shape in SHAPES if (shape in wanted if wanted else possible[shape]))
