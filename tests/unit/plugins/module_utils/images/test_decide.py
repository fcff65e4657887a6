# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images go: never one that a way back needs, nor anything that shares a digest with one."""

from __future__ import annotations

import random

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.images.decide import Image, Want, decide
from hypothesis import given, settings
from hypothesis import strategies as st

DAY = 86400.0
NOW = 1000 * DAY
LIVE = {"live": "pod shop names it"}


def digest(number):
    return f"sha256:{number:064x}"


def image(number, *tags, days=100.0, parts=()):
    created = None if days is None else NOW - days * DAY
    return Image(digest(number), tags, created, tuple(map(digest, parts)))


def about(number, kind=".sig"):
    return f"sha256-{number:064x}{kind}"


def want(newest=0, **more):
    return Want(**{"now": NOW, "age": 30 * DAY, "newest": newest, "live": LIVE, **more})


def gone(images, *args, **more):
    return [one.digest for one in decide(images, want(*args, **more)).gone]


def reasons(images, *args, **more):
    return {one.digest: why for one, why in decide(images, want(*args, **more)).kept}


HERE = image(1, "live", days=200)


def test_what_is_old_and_needed_by_nobody_goes_oldest_first():
    assert gone([image(2, "a", days=50), HERE, image(3, "b", days=90)]) == [digest(3), digest(2)]


def test_everything_that_stays_says_why():
    images = [
        HERE,
        image(2, "a", days=29),
        image(3, "v1.0"),
        image(4, "b", days=None),
        image(5, "c", days=300),
        image(6, "d", days=1),
    ]
    assert reasons(images, newest=1, keep=["v*"]) == {
        digest(1): "pod shop names it",
        digest(2): "it is not older than 30 d",
        digest(3): "it matches v*",
        digest(4): "nobody knows when it was made",
        digest(6): "it is one of the newest 1",
    }


def test_a_digest_stays_for_any_of_its_tags():
    assert gone([HERE, image(2, "old", "1.4.0")], live={"1.4.0": "release r1 may be gone back to"}) == [digest(1)]
    assert gone([HERE, image(2, "old", "v2")], keep=["v*"]) == []


@pytest.mark.parametrize("runs", [digest(2), digest(3)])
def test_a_list_stays_with_its_parts_whichever_of_them_runs(runs):
    images = [image(2, "list", parts=[3, 4]), image(3), image(4), image(5, "old")]
    assert gone(images, live={runs: "pod shop names it"}) == [digest(5)]


def test_the_parts_of_a_list_go_after_it_unless_what_stays_shares_them():
    images = [HERE, image(2, "old", parts=[3, 4]), image(3), image(4), image(5, "v1", parts=[4])]
    assert gone(images, keep=["v*"]) == [digest(2), digest(3)]


def test_a_part_with_a_tag_of_its_own_stays_with_its_list():
    images = [image(2, "live", parts=[3]), image(3, "old")]
    assert reasons(images) == {digest(2): "pod shop names it", digest(3): "it is a part of what stays"}


def test_what_runs_without_a_tag_keeps_what_it_consists_of():
    images = [HERE, image(2, parts=[3]), image(3, "old")]
    assert gone(images, live={digest(2): "pod shop names it", **LIVE}) == []


def test_signatures_go_with_what_they_are_about_and_are_none_of_the_newest():
    images = [
        HERE,
        image(2, "old", days=90),
        image(3, about(2), days=1),
        image(4, about(1), days=200),
        image(5, about(9, ""), days=200),
        image(6, "new", days=40),
    ]
    assert gone(images, newest=1) == [digest(2), digest(3)]
    assert reasons(images, newest=1)[digest(4)] == "what it is about stays"


def test_the_newest_are_counted_by_age_not_by_name():
    images = [HERE, image(2, "9", days=90), image(3, "10", days=80), image(4, "1", days=70)]
    assert gone(images, newest=2) == [digest(2)]


def test_nothing_goes_while_nothing_that_is_live_was_found():
    with pytest.raises(Refused, match="Nothing that runs or was released is among the tags"):
        decide([image(2, "a"), image(3)], want(live={digest(3): "runs", "9.9": "live"}))
    assert gone([image(2, "a")], without_live=True) == [digest(2)]
    assert gone([image(2, "a", days=1)]) == []


def test_the_difference_is_what_goes():
    told = decide([HERE, image(2, "old")], want()).diff()
    assert told == {"before": f"{digest(1)} live\n{digest(2)} old\n", "after": f"{digest(1)} live\n"}


def randomly(seed):
    """A registry with lists, shared parts, signatures and tags on all of them."""
    chance = random.Random(seed)
    numbers = range(1, 16)
    images = []
    for number in numbers:
        tags = [f"t{number}"] * (chance.random() < 0.6) + [f"v{number}"] * (chance.random() < 0.15)
        tags = [about(chance.choice(numbers))] if chance.random() < 0.15 else tags
        parts = [one for one in numbers if one > number and chance.random() < 0.15]
        days = None if chance.random() < 0.1 else chance.uniform(0, 100)
        images.append(image(number, *tags, days=days, parts=parts))
    chance.shuffle(images)
    live = {chance.choice([digest, lambda one: f"t{one}"])(chance.choice(numbers)): "runs" for _time in range(3)}
    return images, want(chance.randrange(4), keep=["v*"], live=live, without_live=True)


def closure(images, digests):
    by_digest, found, waiting = {one.digest: one for one in images}, set(), list(digests)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += by_digest[one].parts if one in by_digest else ()
    return found


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_in_any_registry_nothing_goes_that_anything_which_stays_needs(seed):
    images, asked = randomly(seed)
    plan = decide(images, asked)
    went, kept = [one.digest for one in plan.gone], {one.digest for one, _why in plan.kept}
    stays = {one.digest for one in images} - set(went)
    assert len(went) == len(set(went))
    assert not closure(images, kept) & set(went)
    assert {one.digest for one in images if one.tags} == kept | {one.digest for one in plan.gone if one.tags}
    for one in plan.gone:
        assert not closure(images, [one.digest]) & set(asked.live)
        assert not set(one.tags) & set(asked.live)
        assert not any(tag.startswith("v") for tag in one.tags)
        assert not one.subjects & stays
    assert decide([one for one in images if one.digest in stays], asked).gone == []
