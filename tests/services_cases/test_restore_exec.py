# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof, restore and the way back through a pod's exec: the same as over TCP."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres import digest, facts, proof, swap
from ansible_collections.runbook.release.plugins.module_utils.postgres.pod import Account, PodServer
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore import operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore_decide import Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from services.backups import made, reached
from services_cases.exec_stand_in import LocalExec


@pytest.fixture
def server(database):
    own = database.server
    account = Account(host=own.host, port=own.port, user=own.user, password=own.password)
    with PodServer(lambda argv: LocalExec(argv, path=own.bindir), account, "pod shop/pg-0 (postgres)") as reachable:
        yield reachable


@pytest.fixture
def store(tmp_path):
    return LocalStore(str(tmp_path / "store"))


def test_what_is_seen_is_what_is_seen_over_tcp(server, database):
    with reached(database.server) as direct, direct.holding_snapshot(database.name) as held:
        expected = digest.of(held.rows)
        assert facts.observe(server, database.name) == facts.observe(direct, database.name)
    with server.holding_snapshot(database.name) as held:
        assert digest.of(held.rows) == expected


def test_a_backup_is_proven_through_the_pod(server, store, database):
    found = proof.prove(server, store, made(server, database.name, store), "full")
    assert [check.name for check in found.checks if not check.ok] == []


@pytest.mark.parametrize(
    ("format", "jobs", "said"), [("custom", 2, "by several jobs"), ("directory", 1, "does not fit through one stream")]
)
def test_what_does_not_fit_through_the_pod_is_refused_when_it_is_only_looked(
    server, store, database, format, jobs, said
):
    with reached(database.server) as direct:
        made(direct, database.name, store, format=format)
    look = Request("restored", database.name, "before-1.1.0", jobs=jobs, accept_data_loss=True, check=True)
    with pytest.raises(Refused, match=said):
        operate(server, store, look)


def test_there_and_back_through_the_pod(server, store, database):
    made(server, database.name, store)
    database.sql("delete from shop.orders where id > 10")
    there = operate(server, store, Request("restored", database.name, "before-1.1.0", accept_data_loss=True))
    assert database.sql("select count(*) from shop.orders") == [(10000,)]
    assert 0 < there.outage <= there.phases["swap"]
    operate(server, None, Request("reverted", database.name, accept_data_loss=True))
    assert database.sql("select count(*) from shop.orders") == [(10,)]
    assert swap.pending(server, database.name) == []
