# SPDX-License-Identifier: GPL-3.0-or-later
"""What another environment proves, and everything that does not."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.sign import signer_of
from ansible_collections.runbook.release.plugins.module_utils.release.proven import Asked, Proof, judge
from ansible_collections.runbook.release.plugins.module_utils.release.proven_records import Records
from hypothesis import given, settings
from hypothesis import strategies as st

from .records import DIGEST, IMAGES, NOON, Ledger, Staging, asked, key

LATER = NOON + timedelta(days=2)


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path)


def proven(staging: Staging, at: datetime = LATER, **more: Any) -> Proof:
    return judge(Asked(at=at, **asked(**more)), Records(str(staging.folder)))


def refusal(staging: Staging, at: datetime = LATER, **more: Any) -> str:
    with pytest.raises(ReleaseError) as refused:
        proven(staging, at, **more)
    told = str(refused.value)
    assert " Where: " in told, told
    assert " Do: " in told, told
    return told


def test_a_version_that_was_released_and_is_live_is_proven_with_its_images(staging: Staging) -> None:
    ledger = staging.release("s1")
    proof = proven(staging)
    assert (proof.release, proof.environment, proof.version, proof.signer) == ("s1", "staging", "1.4.0", "")
    assert (proof.images, proof.head) == (IMAGES, ledger.head.report())
    assert Proof.of(proof.report()) == proof


def test_an_archive_is_as_good_as_a_mirror(staging: Staging) -> None:
    staging.release("s1")
    folder = staging.folder / "s1"
    with tarfile.open(staging.folder / "s1.tar.gz", "w:gz") as archive:
        archive.add(folder / "ledger.jsonl", "ledger.jsonl")
    (folder / "ledger.jsonl").unlink()
    assert proven(staging).images == IMAGES


def test_a_later_version_leaves_an_earlier_one_proven(staging: Staging) -> None:
    staging.release("s1")
    staging.release("s2", "1.5.0")
    staging.release("s3", "1.6.0", "rolled back")
    assert proven(staging).release == "s1"


def test_a_second_attempt_that_went_well_counts(staging: Staging) -> None:
    staging.release("s1", verdict="rolled back")
    staging.release("s2")
    staging.release("s3", verdict="stopped")
    assert proven(staging).release == "s2"


def nothing(staging: Staging) -> None:
    pass


def another_version(staging: Staging) -> None:
    staging.release("s1", "1.4.1")


def not_ended(staging: Staging) -> None:
    staging.release("s1", verdict="")


def failed(staging: Staging) -> None:
    staging.release("s1", verdict="stopped")


def rolled_back_at_once(staging: Staging) -> None:
    staging.release("s1", verdict="rolled back")


def rolled_back_by_hand(staging: Staging) -> None:
    staging.release("s1")
    staging.release("s2", verdict="rolled back", takes_back="s1")


def lifted_but_not_released_again(staging: Staging) -> None:
    rolled_back_by_hand(staging)
    staging.index.add("lifted", {"version": "1.4.0", "reason": "mended", "who": "bob"}, staging.now)
    staging.index.write(staging.folder / "index")


def being_rolled_back(staging: Staging) -> None:
    staging.release("s1")
    staging.release("s2", verdict="", takes_back="s1")


def without_images(staging: Staging) -> None:
    staging.release("s1", images={})


def record_missing(staging: Staging) -> None:
    staging.release("s1")
    (staging.folder / "s1" / "ledger.jsonl").unlink()


def of_another_system(staging: Staging) -> None:
    staging.release("s1", system="store")


def of_another_environment(staging: Staging) -> None:
    staging.release("s1", environment="local")


def index_of_another_environment(staging: Staging) -> None:
    Staging(staging.folder.parent, "local").release("s1")


def altered(staging: Staging) -> None:
    staging.release("s1")
    path = staging.folder / "s1" / "ledger.jsonl"
    path.write_text(path.read_text().replace(DIGEST["api"], DIGEST["bad"]))


def written_anew(staging: Staging) -> None:
    """A whole chain with other images, which is sound by itself; the index knows another head."""
    staging.release("s1")
    forged = Staging(staging.folder.parent / "elsewhere")
    forged.release("s1", images={"api": [DIGEST["bad"]]})
    (staging.folder / "s1" / "ledger.jsonl").write_text((forged.folder / "s1" / "ledger.jsonl").read_text())


def not_sealed(staging: Staging) -> None:
    ledger = staging.release("s1")
    short = Ledger("s1")
    short.entries = ledger.entries[:-1]
    short.write(staging.folder / "s1")


def index_altered(staging: Staging) -> None:
    rolled_back_by_hand(staging)
    path = staging.folder / "index" / "ledger.jsonl"
    path.write_text(path.read_text().replace("rolled back", "released"))


def index_leads_out_of_the_folder(staging: Staging) -> None:
    staging.release("../s1")


@pytest.mark.parametrize(
    ("happened", "said"),
    [
        (nothing, "there is no index of its releases"),
        (another_version, "1.4.0 was never released in staging"),
        (not_ended, "s1 has not ended"),
        (failed, "did not go live in staging: s1 ended stopped"),
        (rolled_back_at_once, "did not go live in staging: s1 ended rolled back"),
        (rolled_back_by_hand, "did not stay live in staging: s2 ended rolled back"),
        (lifted_but_not_released_again, "did not stay live in staging: s2 ended rolled back"),
        (being_rolled_back, "did not stay live in staging: s2 is taking it back"),
        (without_images, "s1 did not record which images it left running"),
        (record_missing, "The record of s1 is not there"),
        (of_another_system, "about something else than the index says: system store"),
        (of_another_environment, "environment local"),
        (index_of_another_environment, "does not begin the ledger of release shop-staging-index"),
        (altered, "The ledger of s1 is not what was written: entry 2 is altered"),
        (written_anew, "another one was pinned"),
        (not_sealed, "is cut off"),
        (index_altered, "The index of staging is not what was written"),
        (index_leads_out_of_the_folder, "which no release can be called"),
    ],
)
def test_what_proves_nothing_is_refused_with_what_where_and_what_to_do(
    staging: Staging, happened: Callable[[Staging], None], said: str
) -> None:
    happened(staging)
    assert said in refusal(staging)


@pytest.mark.parametrize(
    ("after", "limits", "said"),
    [
        (timedelta(days=14), {}, ""),
        (timedelta(days=14, seconds=1), {}, "14 days ago, and that counts for 14 days"),
        (timedelta(hours=2), {"within": timedelta(hours=1)}, "2 hours ago, and that counts for 60 minutes"),
        (timedelta(hours=23), {"stood": timedelta(days=1)}, "has been live in staging for 23 hours"),
        (timedelta(days=1), {"stood": timedelta(days=1)}, ""),
    ],
)
def test_a_proof_counts_from_when_it_stood_until_it_is_too_old(
    staging: Staging, after: timedelta, limits: dict[str, timedelta], said: str
) -> None:
    staging.release("s1")
    at = staging.now + after
    if said:
        assert said in refusal(staging, at, **limits)
    else:
        assert proven(staging, at, **limits).release == "s1"


def test_what_happened_later_was_not_known_then(staging: Staging) -> None:
    staging.release("s1")
    then = staging.now + timedelta(minutes=1)
    staging.now += timedelta(hours=1)
    staging.release("s2", verdict="rolled back", takes_back="s1")
    assert proven(staging, then).release == "s1"
    assert "s2" in refusal(staging)


@pytest.mark.parametrize(
    ("pinned", "refused"),
    [
        ({"api": [DIGEST["api"]]}, False),
        ({"api": [DIGEST["api"], DIGEST["dead"]]}, False),
        ({"api": []}, False),
        ({"api": [DIGEST["dead"]]}, True),
        ({"web": [DIGEST["api"]]}, True),
        ({"worker": [DIGEST["api"]]}, True),
    ],
)
def test_a_digest_that_was_not_proven_is_refused_before_anything_runs(
    staging: Staging, pinned: dict[str, list[str]], refused: bool
) -> None:
    staging.release("s1")
    if refused:
        assert "proven in staging with other images" in refusal(staging, pinned=pinned)
    else:
        assert proven(staging, pinned=pinned).images == IMAGES


def test_the_end_has_to_be_signed_by_somebody_who_may(staging: Staging, tmp_path: Path) -> None:
    alice, allowed = key(tmp_path, "alice@example.com")
    _eve, others = key(tmp_path, "eve@example.com")

    def by(signers: Path) -> Any:
        return partial(lambda release, signed: signer_of(release, signed, str(signers)))

    staging.release("s1")
    assert "Nobody signed the end of s1" in refusal(staging, vouch=by(allowed))
    staging.key = alice
    staging.release("s2")
    assert proven(staging, vouch=by(allowed)).signer == "alice@example.com"
    assert "not by an allowed signer" in refusal(staging, vouch=by(others))


def test_the_signature_of_an_earlier_entry_or_another_release_is_none_of_the_end(
    staging: Staging, tmp_path: Path
) -> None:
    staging.key, allowed = key(tmp_path, "alice@example.com")
    staging.release("s0", "1.3.0")
    ledger = staging.release("s1")
    heads = staging.folder / "s1" / "heads.jsonl"
    heads.write_text((staging.folder / "s0" / "heads.jsonl").read_text())
    told = refusal(staging, vouch=lambda release, signed: signer_of(release, signed, str(allowed)))
    assert "Nobody signed the end of s1" in told
    heads.write_text(heads.read_text().replace(heads.read_text().split('"')[-2], ledger.head.sha256))
    with pytest.raises(ReleaseError):
        proven(staging, vouch=lambda release, signed: signer_of(release, signed, str(allowed)))


VERDICTS = st.sampled_from(["released", "rolled back", "stopped", "failed", ""])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["1.4.0", "1.5.0"]), VERDICTS), max_size=6))
def test_proven_is_what_went_live_and_never_went_back_since(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str]]
) -> None:
    staging = Staging(tmp_path_factory.mktemp("staging"))
    for number, (version, verdict) in enumerate(said):
        staging.release(f"s{number}", version, verdict)
    own = [(f"s{number}", verdict) for number, (version, verdict) in enumerate(said) if version == "1.4.0"]
    live = ""
    for name, verdict in own:
        live = name if verdict == "released" else "" if verdict in ("rolled back", "failed") else live
    if live:
        assert proven(staging).release == live
    else:
        refusal(staging)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_single_byte_of_the_records_can_be_changed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    staging = Staging(tmp_path_factory.mktemp("staging"))
    staging.release("s1")
    path = staging.folder / data.draw(st.sampled_from(["s1", "index"])) / "ledger.jsonl"
    content = path.read_text()
    place = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda one: one != content[place]))
    path.write_text(content[:place] + other + content[place + 1 :])
    refusal(staging)


def test_the_helper_writes_what_a_ledger_would(staging: Staging) -> None:
    ledger = staging.release("s1")
    assert all(entry.is_sound(entry.text) for entry in ledger.entries)
    assert [Entry.parse(entry.text) for entry in ledger.entries] == ledger.entries
