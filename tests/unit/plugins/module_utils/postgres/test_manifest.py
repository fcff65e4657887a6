# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import (
    FileEntry,
    Malformed,
    Manifest,
    reaches,
)

from .backups import manifest, proof

WHOLE = manifest(
    files=(FileEntry("data.dump.age", 7, "ab", 3, "cd"), FileEntry("schema.sql", 3, "ef")),
    tables=({"name": 'public."Großhändler"', "rows": 3, "digest": "-12"},),
    sequences=({"name": "public.id", "last": 9, "called": True, "increment": 1},),
    large_objects={"count": 0, "digest": "0"},
    roles=("shop", "reader"),
    properties={"owner": "shop", "acl": [["reader", "CONNECT", False]]},
    phases={"dump": 1.5},
    pinned="before the audit",
    proof=proof(),
)


def test_what_is_written_is_what_is_read():
    assert Manifest.parse(WHOLE.to_bytes()) == WHOLE
    assert Manifest.parse(manifest().to_bytes()) == manifest()


def test_its_size_is_that_of_its_files():
    assert (WHOLE.size, WHOLE.to_dict()["bytes"]) == (10, 10)


@pytest.mark.parametrize("length", [0, 1, 40, len(WHOLE.to_bytes()) - 2])
def test_one_that_is_cut_off_is_none(length):
    with pytest.raises(Malformed):
        Manifest.parse(WHOLE.to_bytes()[:length])


@pytest.mark.parametrize(
    "change",
    [{"database": "other"}, {"bytes": 11}, {"proof": None}, {"files": []}, {"sha256": "0"}, {"schema": 2}, {"new": 1}],
)
def test_one_that_was_changed_is_none(change):
    with pytest.raises(Malformed):
        Manifest.of({**WHOLE.to_dict(), **change})


@pytest.mark.parametrize("text", [b"[]", b"null", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_refused_in_words(text):
    with pytest.raises(Malformed, match="manifest"):
        Manifest.parse(text)


def rehashed(given):
    from ansible_collections.runbook.release.plugins.module_utils.postgres import manifest as module

    plain = {key: value for key, value in given.items() if key != "sha256"}
    return {**plain, "sha256": module._digest(plain)}


@pytest.mark.parametrize("name", ["id", "files", "made_at", "lsn", "folder", "proof"])
def test_one_that_lacks_a_field_is_none(name):
    given = WHOLE.to_dict()
    del given[name]
    with pytest.raises(Malformed, match=f"incomplete or has wrong values.*{name}"):
        Manifest.of(rehashed(given))


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(Malformed, match="no time zone"):
        Manifest.of(rehashed({**WHOLE.to_dict(), "made_at": "2026-11-21T12:00:00"}))


def test_levels_are_in_order():
    assert reaches("full", "restore")
    assert reaches("decode", "decode")
    assert not reaches("decode", "restore")
    assert not reaches("none", "checksum")
    assert reaches("checksum", "none")


def test_a_proof_with_a_check_that_failed_does_not_hold():
    assert proof().holds
    assert not proof(ok=False).holds
    assert manifest().level == "none"
    assert replace(manifest(), proof=proof("full")).level == "full"


def test_it_holds_json_alone():
    assert json.loads(WHOLE.to_bytes()) == WHOLE.to_dict()
