# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is done to a chain of entries, it is found, and the entry is named."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.ledger.canonical import digest
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft, Entry, Head, root
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify
from hypothesis import assume, given
from hypothesis import strategies as some

from .cluster import RELEASE
from .test_canonical import AT_ANY_SPEED, JSON

LENGTH = some.integers(1, 8)
DRAFTS = some.builds(Draft, some.text(), JSON, JSON, some.text(), some.integers(0, 9))


def chain(length: int, release: str = RELEASE) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(1, length + 1):
        head = entries[-1].head if entries else root(release)
        entries.append(Draft(f"step {number}", {"n": number}, None, "ops", 1).following(head, f"T{number}"))
    return entries


def texts(entries: list[Entry]) -> list[str]:
    return [entry.text for entry in entries]


def found(stored: list[str], *pins: Head) -> set[tuple[str, int, int]]:
    return {(one.kind, one.number, one.until) for one in verify(RELEASE, stored, pins)}


def forged(entry: Entry, **changes: object) -> Entry:
    """An entry changed by somebody who knows how its SHA-256 is made."""
    changed = replace(entry, **changes)  # type: ignore[arg-type]
    return replace(changed, sha256=digest({key: value for key, value in vars(changed).items() if key != "sha256"}))


@AT_ANY_SPEED
@given(some.lists(DRAFTS, min_size=1, max_size=5))
def test_what_was_written_is_in_order(drafts: list[Draft]) -> None:
    entries: list[Entry] = []
    for draft in drafts:
        entries.append(draft.following(entries[-1].head if entries else root(RELEASE), "now"))
    assert verify(RELEASE, texts(entries), [entry.head for entry in entries]) == []
    assert [Entry.parse(text) for text in texts(entries)] == entries


@AT_ANY_SPEED
@given(LENGTH, some.data())
def test_one_changed_character_is_found(length: int, data: some.DataObject) -> None:
    stored = texts(chain(length))
    index = data.draw(some.integers(0, length - 1))
    at = data.draw(some.integers(0, len(stored[index])))
    put = data.draw(some.text(max_size=3))
    changed = stored[index][:at] + put + stored[index][at + data.draw(some.integers(0, 3)) :]
    assume(changed != stored[index])
    stored[index] = changed
    assert found(stored) == {("altered", index + 1, index + 1)}


@AT_ANY_SPEED
@given(length=LENGTH, data=some.data(), value=JSON, field=some.sampled_from([one.name for one in fields(Entry)]))
def test_one_changed_field_is_found(length: int, data: some.DataObject, value: object, field: str) -> None:
    stored = texts(chain(length))
    index = data.draw(some.integers(0, length - 1))
    record = json.loads(stored[index])
    assume(record[field] != value)
    stored[index] = json.dumps({**record, field: value})
    assert found(stored) == {("altered", index + 1, index + 1)}


@AT_ANY_SPEED
@given(length=some.integers(2, 8), data=some.data())
def test_an_entry_forged_with_a_fitting_sha256_is_found_by_the_next_one(length: int, data: some.DataObject) -> None:
    entries = chain(length)
    index = data.draw(some.integers(0, length - 2))
    entries[index] = forged(entries[index], after="forged")
    assert found(texts(entries)) == {("altered", index + 1, index + 1)}


def test_a_forged_newest_entry_is_found_only_by_a_pin() -> None:
    entries = chain(4)
    pin = entries[-1].head
    entries[-1] = forged(entries[-1], after="forged")
    assert found(texts(entries)) == set()
    assert found(texts(entries), pin) == {("altered", 4, 4)}


def test_a_chain_written_anew_is_found_by_every_pin() -> None:
    pins = [entry.head for entry in chain(4)[1:3]]
    anew = [forged(chain(1)[0], what="something else")]
    for number in (2, 3, 4):
        anew.append(Draft(f"step {number}", None, None, "ops", 1).following(anew[-1].head, "T"))
    assert found(texts(anew)) == set()
    assert found(texts(anew), *pins) == {("altered", 2, 2), ("altered", 3, 3)}


@AT_ANY_SPEED
@given(length=some.integers(2, 8), data=some.data())
def test_removed_entries_are_found(length: int, data: some.DataObject) -> None:
    stored = texts(chain(length))
    first = data.draw(some.integers(1, length - 1))
    last = data.draw(some.integers(first, length - 1))
    del stored[first - 1 : last]
    assert found(stored) == {("missing", first, last)}


@AT_ANY_SPEED
@given(length=LENGTH, data=some.data())
def test_a_cut_tail_is_found_by_a_pin(length: int, data: some.DataObject) -> None:
    entries = chain(length)
    kept = data.draw(some.integers(0, length - 1))
    assert found(texts(entries[:kept]), entries[-1].head) == {("cut", kept + 1, length)}
    assert found(texts(entries[:kept])) == (set() if kept else {("missing", 1, 1)})


@AT_ANY_SPEED
@given(length=some.integers(2, 8), data=some.data())
def test_swapped_entries_are_found(length: int, data: some.DataObject) -> None:
    stored = texts(chain(length))
    one, two = sorted(data.draw(some.permutations(range(length)))[:2])
    stored[one], stored[two] = stored[two], stored[one]
    assert found(stored) == {("reordered", one + 1, one + 1), ("reordered", two + 1, two + 1)}


@AT_ANY_SPEED
@given(length=LENGTH, data=some.data())
def test_a_repeated_entry_is_found(length: int, data: some.DataObject) -> None:
    stored = texts(chain(length))
    index = data.draw(some.integers(0, length - 1))
    stored.insert(index, stored[index])
    assert found(stored) == {("repeated", index + 1, index + 1)}


@pytest.mark.parametrize("number", [0, -3])
def test_nothing_comes_before_the_first_entry(number: int) -> None:
    early = Draft("early", None, None, "ops", 1).following(Head(number - 1, "x"), "T0")
    assert found([early.text, *texts(chain(2))]) == {("altered", 1, 1), ("repeated", 1, 1)}


def test_the_ledger_of_another_release_is_found() -> None:
    assert found(texts(chain(3, "another"))) == {("altered", 1, 1)}


@AT_ANY_SPEED
@given(some.lists(some.text() | JSON.map(json.dumps), max_size=6))
def test_no_text_at_all_breaks_the_verification(stored: list[str]) -> None:
    assert found(stored)


def test_nor_does_deep_nesting() -> None:
    assert found(["[" * 100_000]) == {("altered", 1, 1)}


def test_a_finding_is_a_sentence() -> None:
    stored = texts(chain(5))
    sentences = [one.sentence for one in verify(RELEASE, [stored[0], stored[3]], [Head(5, "x")])]
    assert sentences == ["entries 2 to 3 are missing", "entry 5 is cut off: the ledger once had 5"]
