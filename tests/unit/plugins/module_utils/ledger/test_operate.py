# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.ledger import operate
from ansible_collections.runbook.release.plugins.module_utils.ledger.mirror import Mirror
from ansible_collections.runbook.release.plugins.module_utils.ledger.operate import Outside

from .cluster import CHUNK, Cluster, draft

Entries = dict[str, str]


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(str(tmp_path / "mirror"))


def fill(cluster: Cluster, outside: Outside, count: int = 4) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for number in range(count):
        report = operate.append(cluster.store(), outside, draft(f"step {number}"), [])
    return report


def kinds(failure: ReleaseError) -> set[tuple[str, str, int]]:
    return {(one["source"], one["kind"], one["number"]) for one in failure.details["findings"]}


def test_a_ledger_nobody_touched(cluster: Cluster, mirror: Mirror) -> None:
    appended = fill(cluster, Outside(mirror))
    found = operate.verified(cluster.store(), Outside(mirror, pinned=appended["head"]))
    assert (found["entries"], found["head"], found["findings"]) == (4, appended["head"], [])
    assert (found["changed"], found["sealed"]) == (False, False)
    assert mirror.texts() == cluster.store().texts()


def cut(data: Entries) -> None:
    data.popitem()


def alter(data: Entries) -> None:
    data["00000002"] = data["00000002"].replace("step 1", "step X")


def swap(data: Entries) -> None:
    data["00000001"], data["00000003"] = data["00000003"], data["00000001"]


def remove(data: Entries) -> None:
    del data["00000002"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (cut, {("cluster", "cut", 4)}),
        (alter, {("cluster", "altered", 2)}),
        (swap, {("cluster", "reordered", 1), ("cluster", "reordered", 3)}),
        (remove, {("cluster", "missing", 2)}),
    ],
)
def test_a_change_in_the_cluster_is_found(
    cluster: Cluster, mirror: Mirror, change: Callable[[Entries], None], expected: set[tuple[str, str, int]]
) -> None:
    fill(cluster, Outside(mirror))
    change(cluster.objects[CHUNK]["data"])
    with pytest.raises(ReleaseError, match="the ledger is not what was written: entr") as found:
        operate.verified(cluster.store(), Outside(mirror))
    assert kinds(found.value) == expected


def test_a_change_in_the_mirror_is_found(cluster: Cluster, mirror: Mirror) -> None:
    fill(cluster, Outside(mirror))
    file = Path(mirror.folder) / "ledger.jsonl"
    file.write_text(file.read_text().replace("step 1", "step X"))
    with pytest.raises(ReleaseError, match=r"entry 2 is altered: .* \(mirror\)") as found:
        operate.verified(cluster.store(), Outside(mirror))
    assert kinds(found.value) == {("mirror", "altered", 2)}


def test_a_mirror_that_is_gone_is_found(cluster: Cluster, mirror: Mirror) -> None:
    fill(cluster, Outside())
    with pytest.raises(ReleaseError) as found:
        operate.verified(cluster.store(), Outside(mirror))
    assert kinds(found.value) == {("mirror", "missing", 1)}


def test_a_ledger_that_is_gone_is_found(cluster: Cluster) -> None:
    with pytest.raises(ReleaseError, match="there is none at all"):
        operate.verified(cluster.store(), Outside())


def test_what_another_machine_added_is_mirrored(cluster: Cluster, mirror: Mirror) -> None:
    fill(cluster, Outside())
    fill(cluster, Outside(mirror), 1)
    assert mirror.texts() == cluster.store().texts()
    assert len(mirror.texts()) == 5


def test_the_head_is_signed_and_kept(cluster: Cluster, mirror: Mirror, key: Path, allowed_signers: Path) -> None:
    outside = Outside(mirror, signing_key=str(key), allowed_signers=str(allowed_signers))
    head = fill(cluster, outside)["head"]
    assert [kept.report() for kept in mirror.heads()][-1] == head
    found = operate.verified(cluster.store(), replace(outside, pinned=head))
    assert found["signers"] == ["ops@example.com"]


def test_a_pinned_head_has_to_be_signed(cluster: Cluster, key: Path, allowed_signers: Path) -> None:
    head = fill(cluster, Outside(signing_key=str(key)))["head"]
    outside = Outside(allowed_signers=str(allowed_signers))
    for pinned in ({**head, "signature": None}, {**head, "number": 3, "sha256": head["sha256"]}):
        with pytest.raises(ReleaseError):
            operate.verified(cluster.store(), replace(outside, pinned=pinned))


def test_a_signed_head_finds_a_tail_that_was_cut_everywhere(cluster: Cluster, mirror: Mirror, key: Path) -> None:
    fill(cluster, Outside(mirror, signing_key=str(key)))
    cut(cluster.objects[CHUNK]["data"])
    (Path(mirror.folder) / "ledger.jsonl").unlink()
    with pytest.raises(ReleaseError) as found:
        operate.verified(cluster.store(), Outside(mirror))
    assert ("cluster", "cut", 4) in kinds(found.value)


def test_sealing_twice_changes_nothing(cluster: Cluster, mirror: Mirror, key: Path) -> None:
    outside = Outside(mirror, signing_key=str(key))
    fill(cluster, outside)
    reports = [operate.seal(cluster.store(), outside, "ops@here", 0) for _time in range(2)]
    assert [report["changed"] for report in reports] == [True, False]
    assert reports[0]["entry"] == reports[1]["entry"]
    assert operate.verified(cluster.store(), outside)["sealed"]


def test_sealing_again_makes_up_for_the_mirror(cluster: Cluster, mirror: Mirror) -> None:
    fill(cluster, Outside(mirror))
    operate.seal(cluster.store(), Outside(), "ops@here", 0)
    assert operate.seal(cluster.store(), Outside(mirror), "ops@here", 0)["changed"]
    assert mirror.texts() == cluster.store().texts()


def test_check_mode_writes_nothing_anywhere(cluster: Cluster, mirror: Mirror, key: Path, tmp_path: Path) -> None:
    outside = Outside(mirror, signing_key=str(key))
    fill(cluster, Outside(mirror))
    cluster.dry_run = True
    assert operate.append(cluster.store(), outside, draft(), [])["entry"]["number"] == 5
    assert operate.seal(cluster.store(), outside, "ops@here", 0)["changed"]
    report = operate.hand_out(cluster.store(), outside, str(tmp_path / "r.tar.gz"), [])
    assert report["changed"]
    assert "sha256" not in report["archive"]
    assert len(cluster.store().texts()) == len(mirror.texts()) == 4
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["id_ed25519.pub", "ledger.jsonl"]


def test_an_archive_is_written_once(cluster: Cluster, mirror: Mirror, key: Path, tmp_path: Path) -> None:
    outside, target = Outside(mirror, signing_key=str(key)), str(tmp_path / "r.tar.gz")
    fill(cluster, outside)
    reports = [operate.hand_out(cluster.store(), outside, target, [str(key.with_suffix(".pub"))]) for _time in range(2)]
    assert [report["changed"] for report in reports] == [True, False]
    assert reports[0]["archive"] == reports[1]["archive"]
    names = [one["name"] for one in reports[0]["archive"]["files"]]
    assert names == ["ledger.jsonl", "heads.jsonl", "files/id_ed25519.pub"]
    fill(cluster, Outside(), 1)
    assert operate.hand_out(cluster.store(), Outside(signing_key=str(key)), target, [])["changed"]


def test_a_ledger_with_findings_is_not_signed(cluster: Cluster, key: Path, tmp_path: Path) -> None:
    fill(cluster, Outside())
    alter(cluster.objects[CHUNK]["data"])
    with pytest.raises(ReleaseError, match="entry 2 is altered"):
        operate.hand_out(cluster.store(), Outside(signing_key=str(key)), str(tmp_path / "r.tar.gz"), [])
    assert not (tmp_path / "r.tar.gz").exists()


def test_a_planted_secret_is_nowhere(cluster: Cluster, mirror: Mirror, key: Path, tmp_path: Path) -> None:
    secret = "correct-horse-battery-staple"
    outside, target = Outside(mirror, signing_key=str(key)), tmp_path / "r.tar.gz"
    told = draft(f"psql -W {secret}", {"db": [{"password": secret}]}, {"token": {"value": secret}, "user": "shop"})
    report = operate.append(cluster.store(), outside, told, ["password", "token"])
    operate.hand_out(cluster.store(), outside, str(target), [])
    shutil.unpack_archive(target, tmp_path / "unpacked")
    copies = [json.dumps(report), json.dumps(cluster.objects), *(cluster.store().texts())]
    copies += [path.read_text() for folder in ("mirror", "unpacked") for path in (tmp_path / folder).rglob("*.*")]
    assert len(copies) >= 7
    assert [copy for copy in copies if secret in copy] == []
