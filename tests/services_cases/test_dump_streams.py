# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stream loses or changes on its way: never a success, and a sentence that says what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres.pod import Account, PodServer
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import (
    RestoreOptions,
)
from services.postgres import Postgres
from services_cases.dumping import (
    Way,
    by_exec,
    by_faulty_exec,
    dump,
    scratch,
)
from services_cases.exec_stand_in import BLOCK, Damage, FlippingExec


def cut(count: int) -> Damage:
    return lambda data: data[:-count]


def without_trailer(data: bytes) -> bytes:
    return data[: data.rfind(b"\n#")]


def lost_in_the_middle(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + data[half + BLOCK :]


def doubled(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + data[half - BLOCK : half] + data[half:]


def flipped(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]


@pytest.mark.parametrize(
    "damage",
    [cut(1), cut(2 * BLOCK), without_trailer, lost_in_the_middle, doubled, flipped, lambda _data: b""],
    ids=["last byte", "tail", "trailer", "middle", "doubled", "flipped", "everything"],
)
def test_a_stream_that_loses_or_changes_anything_is_no_backup_though_its_exit_code_is_0(
    damage: Damage, postgres15: Postgres, readings: str
) -> None:
    with by_faulty_exec(postgres15, damage) as server, pytest.raises(ReleaseError) as caught:
        dump(server, readings)
    assert caught.value.details["code"] == "truncated"
    assert "exit code 0" in str(caught.value)
    assert "server.mode tcp" in str(caught.value)


def test_the_same_stream_undamaged_is_a_backup(postgres15: Postgres, readings: str) -> None:
    with by_faulty_exec(postgres15, lambda data: data) as server:
        assert b"#runbook.release trailer" not in dump(server, readings)


def test_a_byte_that_changes_on_the_way_in_fails_the_restore_though_pg_restore_is_content(
    postgres15: Postgres, readings: str
) -> None:
    with by_exec(postgres15) as server:
        archive = dump(server, readings, compression="none")
        mark = server.rows("select body from readings where id = 200000", readings)[0]["body"].encode()
    account = Account(postgres15.user, postgres15.password, postgres15.host, postgres15.port)
    flipping = PodServer(lambda argv: FlippingExec(argv, mark, postgres15.bindir), account, "pod shop/pg-0 (postgres)")
    with scratch(postgres15) as name, flipping as server:
        with pytest.raises(ReleaseError, match="other bytes than were sent"):
            server.restore(name, iter([archive]), RestoreOptions(bytes=len(archive)))
        assert server.rows("select count(*) as n from readings", name) == [{"n": 400000}]


def test_an_archive_that_ends_too_early_is_no_restore(way: Way, postgres15: Postgres, readings: str) -> None:
    with way(postgres15) as server, scratch(postgres15) as name:
        archive = dump(server, readings)
        with pytest.raises(ReleaseError, match=r"the archive is damaged"):
            server.restore(name, iter([archive[:-5000]]), RestoreOptions(bytes=len(archive) - 5000))


def test_a_restore_that_fails_early_ends_early_and_says_why(way: Way, postgres15: Postgres, readings: str) -> None:
    taken = 0

    def chunks(archive: bytes) -> Iterator[bytes]:
        nonlocal taken
        for place in range(0, len(archive), BLOCK):
            taken += BLOCK
            yield archive[place : place + BLOCK]

    with way(postgres15) as server, scratch(postgres15) as name:
        archive = dump(server, readings, compression="none")
        server.run("create table readings (i int)", name)
        with pytest.raises(ReleaseError, match=r'relation "readings" already exists'):
            server.restore(name, chunks(archive), RestoreOptions(bytes=len(archive)))
    assert taken < len(archive) / 2
