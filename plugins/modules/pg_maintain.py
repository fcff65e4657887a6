#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_maintain
short_description: Vacuum, reindex, end sessions and set parameters of a PostgreSQL database that is in use
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Does one piece of maintenance on a database that serves meanwhile. Nothing it does keeps anybody from reading or
    writing. What does not get its lock soon is given up and said, so that nobody queues behind it.
  - It looks first and does only what is needed. M(runbook.release.pg_report_info) shows what may be needed.
options:
  do:
    description:
      - V(vacuum) vacuums O(tables), one after the other. Never V(FULL), which would lock them.
      - V(reindex) rebuilds O(indexes), or those of O(tables), one after the other and always C(CONCURRENTLY). What an
        interrupted run of it left behind (C(_ccnew), C(_ccold)) is dropped first. It is refused while a dump runs or a
        transaction is open for longer than O(lock_timeout), because it would wait for them.
      - V(end_sessions) ends the sessions that O(sessions) names and that are older than O(older_than). See the notes
        for those that are never ended.
      - V(set) sets O(settings) of the whole server persistently (C(ALTER SYSTEM)) and has it read them again. The
        result says which of them need a restart, and RV(former) is the way back.
      - V(track_statements) creates the extension C(pg_stat_statements), and turns tracking on where it is off. Where
        the server does not load the library it is refused with what to do.
    type: str
    choices: [vacuum, reindex, end_sessions, set, track_statements]
    required: true
  database:
    description: Name of the database.
    type: str
    required: true
  tables:
    description: For V(vacuum) and V(reindex), the tables as SQL names them; all tables of users if not set.
    type: list
    elements: str
  indexes:
    description: For V(reindex), the indexes as SQL names them.
    type: list
    elements: str
  analyze:
    description: For V(vacuum), also gather the statistics of the planner.
    type: bool
    default: true
  unless_within:
    description:
      - For V(vacuum), leave out a table that was vacuumed (and analysed, with O(analyze)) within that time, by whoever
        or by the server itself, for example V(7d).
    type: str
  sessions:
    description:
      - For V(end_sessions), the state of those to end.
      - V(idle_in_transaction) holds locks and does nothing.
      - V(idle) is what connections of a healthy pool are, so it has to be asked for.
      - V(active) is at one statement. That is cancelled, and only a session that goes on nonetheless is ended.
    type: str
    choices: [idle_in_transaction, idle, active]
    default: idle_in_transaction
  older_than:
    description: For V(end_sessions), how long they have been in that state or at that statement, for example V(10m).
    type: str
  users:
    description: For V(end_sessions), only those of these users.
    type: list
    elements: str
  applications:
    description:
      - For V(end_sessions), only those with these application names. V(*) stands for any text. A name that means a
        backup is refused.
    type: list
    elements: str
  databases:
    description: For V(end_sessions), only those in these databases; in O(database) if not set.
    type: list
    elements: str
  settings:
    description:
      - For V(set), the parameters and their values. V(null) takes back what was set that way before.
      - Where a parameter is a list, so may the value be.
    type: dict
  lock_timeout:
    description: Seconds that a statement may wait for a lock, and a transaction may be open before a V(reindex).
    type: int
    default: 5
  timeout:
    description: Seconds that one statement may take.
    type: int
    default: 3600
extends_documentation_fragment:
  - runbook.release.postgres
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - With O(server.mode=job) it is refused, because no Job is made in check mode.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - V(vacuum) and V(reindex) are work that can always be done again; O(unless_within) says when it is not needed.
notes:
  - V(vacuum) and V(reindex) need the owner of the tables, or a superuser. V(end_sessions) needs
    C(pg_signal_backend), V(set) a superuser or (from PostgreSQL 15 on) C(GRANT ALTER SYSTEM).
  - "Never ended are: the session of this module, anything that is no client (replication, autovacuum, workers),
    backups and restores by their application names, sessions at maintenance (C(VACUUM), C(ANALYZE), C(CREATE INDEX),
    C(REINDEX), C(CLUSTER), C(REFRESH)), and those of superusers unless O(users) names them."
  - Of the statements of others nothing but their kind (C(SELECT), C(UPDATE)) is shown, as their text may hold data.
  - Tables of the system and TOAST tables are left to autovacuum. Of a hypertable of TimescaleDB the chunks are
    vacuumed and reindexed.
  - A parameter set on the command line of the server, for the database or for a role is not changed by V(set). There is
    a warning.
seealso:
  - module: runbook.release.pg_report_info
"""

EXAMPLES = r"""
- name: Reclaim space and refresh statistics, unless that was done this week
  runbook.release.pg_maintain:
    do: vacuum
    database: shop
    unless_within: 7d
    server: {host: db.example.com, user: owner, password_file: /run/secrets/db}

- name: Rebuild the indexes of one table while it is in use
  runbook.release.pg_maintain:
    do: reindex
    database: shop
    tables: [shop.orders]
    server: {mode: exec, namespace: shop, pod: postgres-0, user: postgres}

- name: End transactions that nobody works on
  runbook.release.pg_maintain:
    do: end_sessions
    database: shop
    older_than: 10m
    server: {mode: exec, namespace: shop, pod: postgres-0, user: postgres}

- name: Cancel the statements of reports that run for an hour
  runbook.release.pg_maintain:
    do: end_sessions
    database: shop
    sessions: active
    older_than: 1h
    users: [reports]
    server: {mode: exec, namespace: shop, pod: postgres-0, user: postgres}

- name: Allow more connections
  runbook.release.pg_maintain:
    do: set
    database: shop
    settings: {max_connections: 200}
    server: {mode: exec, namespace: shop, pod: postgres-0, user: postgres}
  register: raised

- name: Take that back
  runbook.release.pg_maintain:
    do: set
    database: shop
    settings: "{{ raised.former }}"
    server: {mode: exec, namespace: shop, pod: postgres-0, user: postgres}
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be done, a sentence each.
  type: list
  elements: str
  returned: success
  sample: [vacuum and analyze shop.orders]
seconds:
  description: How long it took.
  type: float
  returned: success
tables:
  description:
    - The tables that were vacuumed, each with C(name), C(seconds), and its size (C(bytes_before), C(bytes_after)) and
      estimated dead rows (C(dead_before), C(dead_after)).
  type: list
  elements: dict
  returned: with O(do=vacuum)
recent:
  description: The tables that were left out by O(unless_within).
  type: list
  elements: str
  returned: with O(do=vacuum)
indexes:
  description: The indexes that were rebuilt, each with C(name), C(table), C(seconds), C(bytes_before), C(bytes_after).
  type: list
  elements: dict
  returned: with O(do=reindex)
dropped:
  description: What interrupted runs had left behind and was dropped.
  type: list
  elements: str
  returned: with O(do=reindex)
  sample: [shop.orders_pkey_ccnew]
left:
  description: What was not done, each with C(name) and C(why).
  type: list
  elements: dict
  returned: with O(do=vacuum) and O(do=reindex), and when it failed for that
  sample: [{name: shop.orders, why: another session holds a lock on a table}]
ended:
  description: The sessions that were ended, or in check mode would be.
  type: list
  elements: dict
  returned: with O(do=end_sessions)
  contains: &session
    pid:
      description: Process of the server.
      type: int
    user:
      description: Who is logged in.
      type: str
    database:
      description: The database it is in.
      type: str
    application:
      description: The name it gave itself.
      type: str
    client:
      description: Address it came from, empty for a socket.
      type: str
    state:
      description: Its state.
      type: str
      sample: idle in transaction
    seconds:
      description: For how long it has been in that state or at that statement.
      type: float
    statement:
      description: The kind of its statement, or of its last one.
      type: str
      sample: SELECT
    how:
      description: What happened to it, C(cancelled), C(terminated), C(gone) by itself meanwhile, or C(stays).
      type: str
      returned: of those that were to be ended
      sample: terminated
    why:
      description: Why it was kept.
      type: str
      returned: of those that were kept
kept:
  description: The sessions that were asked for and are never ended, each with C(why).
  type: list
  elements: dict
  returned: with O(do=end_sessions)
  contains: *session
settings:
  description:
    - The parameters, each with C(name), C(before) and C(after), the persistent values (null where there is none), and
      C(restart), whether the new value needs one.
  type: list
  elements: dict
  returned: with O(do=set) and O(do=track_statements)
  sample: [{name: max_connections, before: null, after: "200", restart: true}]
former:
  description: The values for O(settings) that take all of it back.
  type: dict
  returned: with O(do=set) and O(do=track_statements)
  sample: {max_connections: null}
restart_needed:
  description: Parameters whose values take effect with the next start of the server.
  type: list
  elements: str
  returned: with O(do=set) and O(do=track_statements)
extension:
  description: Version of the extension C(pg_stat_statements).
  type: str
  returned: with O(do=track_statements)
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.maintain.operate import operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.maintain.request import DOINGS, STATES, Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import (
    SERVER_OPTIONS,
    needs_cluster,
    server_of,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run

WORDS: dict[str, t.Any] = {"type": "list", "elements": "str"}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "do": {"type": "str", "choices": list(DOINGS), "required": True},
            "database": {"type": "str", "required": True},
            "tables": WORDS,
            "indexes": WORDS,
            "analyze": {"type": "bool", "default": True},
            "unless_within": {"type": "str"},
            "sessions": {"type": "str", "choices": list(STATES), "default": "idle_in_transaction"},
            "older_than": {"type": "str"},
            "users": WORDS,
            "applications": WORDS,
            "databases": WORDS,
            "settings": {"type": "dict"},
            "lock_timeout": {"type": "int", "default": 5},
            "timeout": {"type": "int", "default": 3600},
        },
        required_if=[("do", "end_sessions", ("older_than",)), ("do", "set", ("settings",))],
        mutually_exclusive=[("tables", "indexes")],
    )
    return own.merge(SERVER_OPTIONS, ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        request = Request.of(module.params, check=module.check_mode)
        run = Run.of(module.params["run"])
        client = kube_client(module) if run or needs_cluster(module.params["server"]) else None
        with journal(client, run, module.warn) as book, server_of(module.params["server"], client) as server:
            outcome = operate(server, request, book)
        for warning in outcome.warnings:
            module.warn(warning)
        module.exit_json(**outcome.report(), **({"diff": outcome.diff()} if module._diff else {}))


if __name__ == "__main__":
    main()
