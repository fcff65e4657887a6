# SPDX-License-Identifier: GPL-3.0-or-later
"""What one path answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ITEMS, ITEM = "{each}", "{item}"


@dataclass(frozen=True)
class Endpoint:
    body: Any = None
    """JSON; in its texts `{version}` is the version, `{token}` the token to sign in with."""
    text: str = ""
    """HTML instead of JSON."""
    method: str = "GET"
    code: int = 200
    token: bool = False
    """Answers only to those who have signed in."""
    health: bool = False
    """Fails only when the application is unready, never with a share of the others."""
    each: Mapping[str, Any] | None = None
    """`{of: NAME, body: …}`: what the text `{each}` becomes, an entry for each item of the list NAME in the request."""
    action: str = ""
    """What the audit log calls it; calls of endpoints without a name are not recorded."""

    def answer(self, request: bytes, names: Mapping[str, str]) -> tuple[str, bytes]:
        """Content type and body. ValueError says what is wrong with the request."""
        if self.text:
            return "text/html; charset=utf-8", str(_filled(self.text, names, [])).encode()
        return "application/json", json.dumps(_filled(self.body, names, self._items(request, names))).encode()

    def _items(self, request: bytes, names: Mapping[str, str]) -> list[Any]:
        if not self.each:
            return []
        given = json.loads(request or b"{}")
        wanted = given.get(self.each["of"]) if isinstance(given, dict) else None
        if not isinstance(wanted, list):
            raise ValueError(f"{self.each['of']} is not a list")
        return [_filled(self.each["body"], {**names, ITEM: str(item)}, []) for item in wanted]


def _filled(body: Any, names: Mapping[str, str], items: list[Any]) -> Any:
    if isinstance(body, dict):
        return {key: _filled(value, names, items) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, names, items) for value in body]
    if body == ITEMS:
        return items
    if isinstance(body, str):
        for name, text in names.items():
            body = body.replace(name, text)
    return body
