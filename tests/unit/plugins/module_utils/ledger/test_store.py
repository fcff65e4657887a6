# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ApiError, Conflict, Forbidden, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.backoff import Pacing
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import Kind
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import (
    CHUNK_LIMIT,
    ENTRY_LIMIT,
    LABEL,
    PATIENCE,
    Store,
)
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify

from .cluster import CHUNK, RELEASE, Cluster, Obj, draft

LARGE = "x" * (ENTRY_LIMIT - 1024)


def test_the_first_entry_begins_the_ledger(cluster: Cluster) -> None:
    entry = cluster.store().append(draft(before={"blue": 100}))
    chunk = cluster.objects[CHUNK]
    assert chunk["metadata"]["labels"] == {LABEL: RELEASE}
    assert json.loads(chunk["data"]["00000001"]) == entry.report()
    assert entry.number == 1
    assert "immutable" not in chunk


def test_entries_follow_each_other(cluster: Cluster) -> None:
    store = cluster.store()
    entries = [store.append(draft(f"step {number}")) for number in range(12)]
    assert [entry.number for entry in entries] == list(range(1, 13))
    assert store.texts() == [entry.text for entry in entries]
    assert verify(RELEASE, store.texts(), [entries[-1].head]) == []


def test_a_full_chunk_is_closed_and_the_next_one_begun(cluster: Cluster) -> None:
    store = cluster.store()
    for _number in range(20):
        store.append(draft(after=LARGE))
    assert len(cluster.objects) == 3
    sizes = [sum(map(len, chunk["data"].values())) for chunk in cluster.objects.values()]
    assert max(sizes) <= CHUNK_LIMIT
    assert [bool(chunk.get("immutable")) for chunk in cluster.objects.values()] == [True, True, False]
    assert verify(RELEASE, store.texts()) == []


def test_chunks_are_ordered_by_number_and_not_by_name(cluster: Cluster) -> None:
    store = cluster.store()
    for _number in range(75):
        store.append(draft(after=LARGE))
    assert f"ledger-{RELEASE}-10" in cluster.objects
    assert verify(RELEASE, store.texts()) == []


def test_who_is_slower_takes_the_next_number(cluster: Cluster) -> None:
    store, other = cluster.store(), cluster.store()

    def overtake() -> None:
        cluster.interrupt = lambda: None
        other.append(draft("faster"))

    for what in ("slower, in a new chunk", "slower, in the same chunk"):
        cluster.interrupt = overtake
        store.append(draft(what))
    whats = [json.loads(text)["what"] for text in store.texts()]
    assert whats == ["faster", "slower, in a new chunk", "faster", "slower, in the same chunk"]
    assert verify(RELEASE, store.texts()) == []


def test_many_writers_share_one_chain(cluster: Cluster) -> None:
    def write(writer: int) -> None:
        for number in range(5):
            cluster.store().append(draft(f"{writer}.{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    texts = cluster.store().texts()
    assert len({json.loads(text)["what"] for text in texts}) == len(texts) == 40
    assert verify(RELEASE, texts) == []


def test_who_is_always_slower_gives_up_with_the_conflict(cluster: Cluster) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def always() -> None:
        raise Conflict("somebody was faster")

    cluster.interrupt = always
    pacing = Pacing(clock=lambda: clock[0], sleep=sleep, chance=lambda: 1.0)
    with pytest.raises(Conflict, match="faster"):
        Store(cluster, "shop", RELEASE, pacing).append(draft())  # type: ignore[arg-type]
    assert PATIENCE < clock[0] < PATIENCE + 5


@pytest.mark.parametrize("took_effect", [False, True])
def test_an_answer_that_was_lost_makes_no_second_entry(cluster: Cluster, took_effect: bool) -> None:
    create, lost = cluster.create, []

    def lose(kind: Kind, body: Obj, namespace: str) -> None:
        if took_effect or lost:
            create(kind, body, namespace)
        if not lost:
            lost.append(body)
            raise ApiError("the server is busy", status=500)

    cluster.create = lose  # type: ignore[method-assign]
    entry = cluster.store().append(draft())
    assert len(lost) == 1
    assert cluster.store().texts() == [entry.text]


def test_an_error_that_stays_is_not_repeated(cluster: Cluster) -> None:
    attempts = []

    def forbid() -> None:
        attempts.append(1)
        raise Forbidden("no permission", status=403)

    cluster.interrupt = forbid
    with pytest.raises(Forbidden):
        cluster.store().append(draft())
    assert attempts == [1]


def test_a_sealed_ledger_takes_nothing_more(cluster: Cluster) -> None:
    store = cluster.store()
    store.append(draft())
    entry, new = store.seal("ops@here", 0)
    assert (entry.number, entry.what, new) == (2, "sealed", True)
    assert cluster.objects[CHUNK]["immutable"]
    assert store.seal("someone@else", 0) == (entry, False)
    with pytest.raises(Refused, match="sealed since"):
        store.append(draft())


def test_a_ledger_whose_last_chunk_is_full_can_be_sealed(cluster: Cluster) -> None:
    store = cluster.store()
    while not cluster.objects.get(CHUNK, {}).get("immutable"):
        store.append(draft(after=LARGE))
    store.seal("ops@here", 0)
    assert cluster.objects[f"ledger-{RELEASE}-2"]["immutable"]
    assert verify(RELEASE, store.texts()) == []


def test_an_entry_cannot_pretend_to_be_the_seal(cluster: Cluster) -> None:
    with pytest.raises(Refused, match="state=sealed"):
        cluster.store().append(draft("sealed"))


def test_there_has_to_be_something_to_seal(cluster: Cluster) -> None:
    with pytest.raises(Refused, match="no ledger to seal"):
        cluster.store().seal("ops@here", 0)


def test_a_stale_fencing_token_is_refused(cluster: Cluster) -> None:
    store = cluster.store()
    store.append(draft(fence=7))
    store.append(draft(fence=7))
    with pytest.raises(Refused, match=r"fencing token 6 is stale: ops@here went on with 7"):
        store.append(draft(fence=6))
    with pytest.raises(Refused, match="stale"):
        store.seal("ops@here", 0)


def test_a_large_entry_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Refused, match="too large"):
        cluster.store().append(draft(after="x" * ENTRY_LIMIT))
    assert cluster.objects == {}


@pytest.mark.parametrize("release", ["", "Shop", "a_b", "a+b", "-a", "a.", "x" * 64])
def test_an_id_that_cannot_name_a_configmap_is_refused(cluster: Cluster, release: str) -> None:
    with pytest.raises(Refused, match="cannot be the id of a release"):
        cluster.store(release)


@pytest.mark.parametrize("data", [{}, {"00000001": "{}"}, {"00000001": "not JSON"}])
def test_nothing_follows_an_entry_that_cannot_be_read(cluster: Cluster, data: dict[str, str]) -> None:
    cluster.store().append(draft())
    cluster.objects[CHUNK]["data"] = data
    with pytest.raises(Refused, match="cannot be read"):
        cluster.store().append(draft())


def test_a_configmap_that_only_has_the_label_is_named(cluster: Cluster) -> None:
    cluster.objects["mine"] = {"metadata": {"name": "mine", "labels": {LABEL: RELEASE}}}
    with pytest.raises(Refused, match="ConfigMap mine has the label"):
        cluster.store().texts()


def test_a_dry_run_records_nothing(cluster: Cluster) -> None:
    cluster.dry_run = True
    assert cluster.store().append(draft()).number == 1
    assert cluster.objects == {}


def test_one_after_the_other_needs_no_look_at_the_ledger(cluster: Cluster) -> None:
    store = cluster.store()
    store.append(draft("one"))
    looked = cluster.looks
    store.append(draft("two"))
    assert cluster.looks == looked
    assert [Entry.parse(text).what for text in store.texts()] == ["one", "two"]


def test_what_others_add_in_between_is_noticed(cluster: Cluster) -> None:
    store, other = cluster.store(), cluster.store()
    store.append(draft("one", fence=1))
    other.append(draft("two", fence=2))
    with pytest.raises(Refused, match="fencing token 1 is stale"):
        store.append(draft("three", fence=1))
    store.append(draft("three", fence=2))
    assert [Entry.parse(text).number for text in store.texts()] == [1, 2, 3]


def test_a_dry_run_is_no_state_to_go_on_from(cluster: Cluster) -> None:
    cluster.dry_run, store = True, cluster.store()
    assert [store.append(draft(what)).number for what in ("one", "two")] == [1, 1]
