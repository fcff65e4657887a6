#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_report_info
short_description: Say how a PostgreSQL database is doing, or what a query of it says
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads one report from a database, in a read-only transaction with short timeouts. It changes nothing.
  - Texts of statements are shown without comments and with V(?) in the place of every value.
options:
  about:
    description:
      - V(sessions) counts them by user, database, application and state, and sets that against the limit. It names who
        blocks whom.
      - V(statements) lists the most expensive ones of O(database), by O(by).
      - V(sizes) lists databases, and the largest tables of O(database).
      - V(bloat) lists the tables and B-tree indexes of O(database) that would become smallest by a rebuild. Tables are
        measured where the extension C(pgstattuple) is there, all else is estimated from statistics.
      - V(indexes) lists those nobody uses, duplicates, and invalid ones, of O(database).
      - V(explain) shows how the planner would run O(statement). It is not run.
      - V(rows) are the first O(most) rows of O(statement), for an extract that is kept. They are returned as they are.
    type: str
    choices: [sessions, statements, sizes, bloat, indexes, explain, rows]
    required: true
  database:
    description: Name of the database.
    type: str
    required: true
  by:
    description:
      - What V(statements) are ordered by. V(mean) and V(total) time, and V(calls), need the extension
        C(pg_stat_statements), see O(runbook.release.pg_maintain#module:do=track_statements).
      - V(running) lists those that are running, the longest first, and needs nothing.
    type: str
    choices: [mean, total, calls, running]
    default: mean
  statement:
    description:
      - The one statement to V(explain), or the query whose V(rows) are read. To V(explain), from PostgreSQL 16 on,
        it may have parameters (V($1)) in the place of values.
    type: str
  most:
    description: How many rows a list has at most.
    type: int
    default: 10
  timeout:
    description: Seconds that a query may take.
    type: int
    default: 60
extends_documentation_fragment:
  - runbook.release.postgres
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
  - runbook.release.attributes.info_module
notes:
  - It needs a user who may see all sessions and statements (C(GRANT pg_monitor)). What the user may not see is left
    out.
  - With O(server.mode=job) a Job is made to reach the server.
seealso:
  - module: runbook.release.pg_maintain
"""

EXAMPLES = r"""
- name: The ten slowest statements
  runbook.release.pg_report_info:
    about: statements
    database: shop
    server: {mode: exec, namespace: shop, pod: postgres-0, user: postgres}
  register: slow

- name: Are there connections left?
  runbook.release.pg_report_info:
    about: sessions
    database: shop
    server: {host: db.example.com, user: monitor, password_file: /run/secrets/db}
  register: sessions
  failed_when: sessions.used > 0.9 * sessions.limit

- name: How would this be run?
  runbook.release.pg_report_info:
    about: explain
    database: shop
    statement: select * from shop.orders where customer = 4711
    server: {host: db.example.com, user: monitor, password_file: /run/secrets/db}

- name: Who failed to sign in today?
  runbook.release.pg_report_info:
    about: rows
    database: shop
    statement: select at, who, address from shop.audit where what = 'login' and failed and at > now() - interval '1 day'
    most: 1000
    server: {host: db.example.com, user: auditor, password_file: /run/secrets/db}
"""

RETURN = r"""
summary:
  description: The report in a few sentences.
  type: list
  elements: str
  returned: success
  sample: [12 of 97 connections are in use, 3 sessions are idle in transaction]
limit:
  description: Connections that users who are no superusers can have.
  type: int
  returned: with O(about=sessions)
used:
  description: Connections in use.
  type: int
  returned: with O(about=sessions)
states:
  description: How many sessions are in each state.
  type: dict
  returned: with O(about=sessions)
  sample: {active: 2, idle: 7, idle in transaction: 3}
sessions:
  description:
    - Counts by C(user), C(database), C(application) and C(state), each with C(count) and C(oldest), the seconds the
      longest one has been in that state. The largest first.
  type: list
  elements: dict
  returned: with O(about=sessions)
blocked:
  description:
    - Sessions that wait for a lock, each with C(pid), C(user), C(database), C(application), C(seconds), C(statement)
      (its kind) and C(by), the processes it waits for.
  type: list
  elements: dict
  returned: with O(about=sessions)
statements:
  description:
    - Statements, each with C(statement) and C(user). Those of the statistics have C(calls), C(mean_ms), C(total_ms),
      C(rows) and C(share) of the total time. Those that are running have C(pid), C(application), C(seconds), C(waits).
  type: list
  elements: dict
  returned: with O(about=statements)
since:
  description: Since when the server counts, empty where it does not say.
  type: str
  returned: with O(about=statements) and O(about=indexes)
databases:
  description: Databases with C(name) and C(bytes), the largest first.
  type: list
  elements: dict
  returned: with O(about=sizes)
tables:
  description:
    - Tables, the largest first. For V(sizes) with C(name), C(bytes), C(table_bytes), C(index_bytes), C(rows) and
      C(dead_rows), the last two estimated.
    - For V(bloat) with C(name), C(bytes), C(wasted_bytes), C(share) of it and whether it was C(measured).
  type: list
  elements: dict
  returned: with O(about=sizes) and O(about=bloat)
indexes:
  description: Indexes with C(name), C(table), C(bytes), C(wasted_bytes) and C(share) of it, estimated.
  type: list
  elements: dict
  returned: with O(about=bloat)
unused:
  description: Indexes that no query has used since the server counts, with C(name), C(table), C(bytes). Never those
    that enforce something.
  type: list
  elements: dict
  returned: with O(about=indexes)
duplicate:
  description: Indexes beside which there is another one just like it, with C(name), C(table), C(bytes) and C(like).
  type: list
  elements: dict
  returned: with O(about=indexes)
invalid:
  description: Indexes that no query can use because a build was interrupted, with C(name), C(table), C(bytes).
  type: list
  elements: dict
  returned: with O(about=indexes)
rows:
  description: The rows, each by the names of its columns, in the order of the statement.
  type: list
  elements: dict
  returned: with O(about=rows)
whole:
  description: Whether these are all rows there are.
  type: bool
  returned: with O(about=rows)
steps:
  description: The plan, a line each.
  type: list
  elements: str
  returned: with O(about=explain)
  sample: [Seq Scan on orders  (cost=0.00..25.88 rows=6 width=36)]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import (
    SERVER_OPTIONS,
    needs_cluster,
    server_of,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.report.operate import ABOUT, BY, Request, report
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "about": {"type": "str", "choices": list(ABOUT), "required": True},
            "database": {"type": "str", "required": True},
            "by": {"type": "str", "choices": list(BY), "default": "mean"},
            "statement": {"type": "str"},
            "most": {"type": "int", "default": 10},
            "timeout": {"type": "int", "default": 60},
        },
        required_if=[("about", "explain", ("statement",)), ("about", "rows", ("statement",))],
    )
    return own.merge(SERVER_OPTIONS, ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        params = module.params
        request = Request(
            params["about"],
            params["database"],
            by=params["by"],
            statement=params["statement"] or "",
            most=params["most"],
            timeout=params["timeout"],
        )
        run = Run.of(params["run"])
        client = kube_client(module) if run or needs_cluster(params["server"]) else None
        with journal(client, run, module.warn), server_of(params["server"], client) as server:
            found = report(server, request)
        module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
