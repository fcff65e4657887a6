# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Which component comes after which: the waves in which they may begin, and what keeps some from ever beginning. Pure.

``after`` maps each name to those it comes after; one that is no name of a component keeps nobody waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

After = Mapping[str, Sequence[str]]


def after_of(components: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    return {str(one["name"]): [str(name) for name in one.get("after") or []] for one in components}


def waves(after: After) -> list[list[str]]:
    """Each name as early as it may: all that it comes after is in earlier waves. A circle is in none."""
    found, left = [], dict(after)
    while wave := [name for name, before in left.items() if not any(one in left for one in before)]:
        found.append(wave)
        left = {name: left[name] for name in left if name not in wave}
    return found


def circles(after: After) -> list[list[str]]:
    """Names that each come after the next, and the last after the first; one circle for all that waits for it."""
    placed = {name for wave in waves(after) for name in wave}
    left = {name: [one for one in before if one in after and one not in placed] for name, before in after.items()}
    found: dict[frozenset[str], list[str]] = {}
    for name in after:
        if name not in placed:
            circle = _circle(name, left)
            found.setdefault(frozenset(circle), circle)
    return list(found.values())


def _circle(name: str, left: After) -> list[str]:
    walk: list[str] = []
    while name not in walk:
        walk.append(name)
        name = left[name][0]
    return walk[walk.index(name) :]


def mistakes(after: After) -> Iterator[str]:
    """One sentence for everything that cannot be an order."""
    for name, before in after.items():
        for one in sorted({one for one in before if one not in after}):
            yield f"Component {name} comes after {one}, and no component is called so."
    for circle in circles(after):
        yield f"Component {' after '.join([*circle, circle[0]])}: none of them could begin."
