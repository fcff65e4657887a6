# SPDX-License-Identifier: GPL-3.0-or-later
"""TimescaleDB comes back with its chunks and jobs, and no job ever runs in a copy."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.postgres import bring, proof, swap
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore import operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore_decide import Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore
from services.backups import killed, made, reached, unlocked

JOBS = "select id, scheduled from _timescaledb_config.bgw_job where id >= 1000 order by 1"
RESTORING = "select current_setting('timescaledb.restoring') as \"is\""


@pytest.fixture
def server(hypertables):
    """Two jobs, one of them scheduled, written as the function would that this build has no licence for."""
    hypertables.sql(
        "create procedure tidy(job_id int, config jsonb) language plpgsql as 'begin delete from alarms; end'"
    )
    hypertables.sql(
        "insert into _timescaledb_config.bgw_job (id, application_name, schedule_interval, max_runtime, max_retries, "
        "retry_period, proc_schema, proc_name, owner, scheduled, fixed_schedule) "
        "select 1000 + n, 'tidy', '1 h', '1 min', -1, '1 min', 'public', 'tidy', current_user::regrole, n = 0, false "
        "from generate_series(0, 1) n"
    )
    with reached(hypertables.server) as reachable:
        yield reachable


@pytest.fixture
def store(tmp_path):
    return LocalStore(str(tmp_path / "store"))


def wrong(found):
    return [check for check in found.checks if not check.ok]


@pytest.mark.parametrize("level", ["restore", "full"])
def test_a_backup_of_hypertables_is_proven_by_all_their_rows(server, store, hypertables, level):
    manifest = made(server, hypertables.name, store)
    rows = {table["name"]: table["rows"] for table in manifest.tables}
    assert rows['"public"."readings"'] == 40001
    assert not [name for name in rows if "_hyper_" in name]
    assert wrong(proof.prove(server, store, manifest, level)) == []


def test_a_row_that_is_missing_in_a_chunk_is_found(server, store, hypertables, monkeypatch):
    manifest = made(server, hypertables.name, store)
    fill = bring.fill

    def faulty_fill(server, name, *more):
        jobs = fill(server, name, *more)
        server.run("delete from readings where at = '2026-01-05 00:00Z'", name)
        return jobs

    monkeypatch.setattr(bring, "fill", faulty_fill)
    names = [check.name for check in wrong(proof.prove(server, store, manifest, "restore"))]
    assert 'tables: "public"."readings"' in names


def test_no_job_is_scheduled_in_a_copy_that_is_being_proven(server, store, hypertables, monkeypatch):
    manifest = made(server, hypertables.name, store)
    fill, seen = bring.fill, []

    def looking_fill(server, name, *more):
        jobs = fill(server, name, *more)
        seen.append((jobs, server.rows(JOBS, name), server.rows(RESTORING, name)))
        return jobs

    monkeypatch.setattr(bring, "fill", looking_fill)
    assert wrong(proof.prove(server, store, manifest, "restore")) == []
    ((jobs, rows, restoring),) = seen
    assert jobs == [1000]
    assert [row["scheduled"] for row in rows] == [False, False]
    assert restoring == [{"is": "off"}]


def test_a_restore_brings_back_rows_chunks_and_the_jobs_as_they_were_scheduled(server, store, hypertables):
    before = hypertables.sql(JOBS)
    made(server, hypertables.name, store)
    hypertables.sql(
        "delete from readings where at > '2026-01-10'; delete from _timescaledb_config.bgw_job where id = 1000"
    )
    done = operate(server, store, Request("restored", hypertables.name, "before-1.1.0", accept_data_loss=True))
    assert hypertables.sql("select count(*) from readings") == [(40001,)]
    assert hypertables.sql(JOBS) == before == [(1000, True), (1001, False)]
    assert swap.pending(server, hypertables.name) == []
    hypertables.sql("insert into readings values ('2027-05-05', 1, 1)")
    assert 0 < done.outage <= done.phases["swap"]
    reverted = operate(server, None, Request("reverted", hypertables.name, accept_data_loss=True))
    assert reverted.changed
    assert hypertables.sql("select max(at) < '2026-01-11' from readings") == [(True,)]
    assert hypertables.sql(JOBS) == [(1001, False)]


def test_where_nothing_was_replaced_a_killed_run_leaves_no_job_off_for_ever(server, store, hypertables, monkeypatch):
    before = hypertables.sql(JOBS)
    hypertables.server.sql(f"comment on database {hypertables.name} is 'readings of all meters'")
    made(server, hypertables.name, store)
    hypertables.server.sql(f"drop database {hypertables.name} with (force)")
    request = Request("restored", hypertables.name, "before-1.1.0")

    def die(*_any: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(swap, "mend", die)
    killed(lambda: operate(reached(hypertables.server), store, request))
    monkeypatch.undo()
    unlocked(hypertables.server)
    assert [scheduled for _id, scheduled in hypertables.sql(JOBS)] == [False, False]
    again = operate(server, store, request)
    assert (again.changed, again.plan.acts, len(again.mended)) == (True, False, 1)
    assert hypertables.sql(JOBS) == before
    assert swap.named(server, hypertables.name).comment == "readings of all meters"
    assert operate(server, store, request).changed is False


def test_another_version_of_the_extension_is_refused_naming_both(server, store, hypertables):
    manifest = made(server, hypertables.name, store)
    with pytest.raises(Refused, match=rf"needs TimescaleDB 1\.7\.5, the server has .*{manifest.timescaledb}"):
        proof.prove(server, store, replace(manifest, timescaledb="1.7.5"), "restore")
