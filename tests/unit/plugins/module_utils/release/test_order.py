# SPDX-License-Identifier: GPL-3.0-or-later
"""Components go as early as what they come after allows, and what can never begin is named."""

from __future__ import annotations

from ansible_collections.runbook.release.plugins.module_utils.release.order import circles, mistakes, waves
from hypothesis import given
from hypothesis import strategies as st

NAMES = [f"c{number}" for number in range(7)]
ORDERS = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4))


def test_what_comes_before_goes_first_and_the_rest_at_once() -> None:
    shop = {"web": ["api", "worker"], "api": [], "worker": ["api"], "mail": []}
    assert waves(shop) == [["api", "mail"], ["worker"], ["web"]]
    assert waves({"web": [], "api": []}) == [["web", "api"]]


def test_every_mistake_is_told_at_once() -> None:
    assert list(mistakes({"web": ["web", "db"], "api": ["worker"], "worker": ["api"], "mail": ["api", "cache"]})) == [
        "Component web comes after db, and no component is called so.",
        "Component mail comes after cache, and no component is called so.",
        "Component web after web: none of them could begin.",
        "Component api after worker after api: none of them could begin.",
    ]


@given(ORDERS)
def test_each_goes_once_right_after_the_last_of_those_it_comes_after(after: dict[str, list[str]]) -> None:
    place = {name: number for number, wave in enumerate(waves(after)) for name in wave}
    assert sum(map(len, waves(after))) == len(place)
    for name, number in place.items():
        before = [place[one] for one in after[name] if one in after]
        assert number == max(before, default=-1) + 1


@given(ORDERS)
def test_whoever_cannot_begin_waits_for_a_circle_that_is_told(after: dict[str, list[str]]) -> None:
    placed = {name for wave in waves(after) for name in wave}
    told = circles(after)
    for circle in told:
        assert all(later in after[name] for name, later in zip(circle, [*circle[1:], circle[0]], strict=True))
    for name in set(after) - placed:
        assert any(set(circle) & reached(name, after) for circle in told)
    assert bool(told) == (set(after) != placed)


def reached(name: str, after: dict[str, list[str]]) -> set[str]:
    """All that it waits for, and itself."""
    found, left = {name}, [name]
    while left:
        new = {one for one in after[left.pop()] if one in after} - found
        found |= new
        left += new
    return found
