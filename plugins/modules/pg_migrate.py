#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_migrate
short_description: Bring the schema of a PostgreSQL database to a revision
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads the revision of the schema, lists what is pending, migrates, and reads the revision again. It fails unless the
    schema then is where it should be.
  - Refuses, with nothing changed, a schema that is dirty, a revision that the folder or image does not know, and a
    database in which a dump runs or somebody changes the schema. A migration would wait for these, and every reader
    would wait behind it.
  - One migration or backup of a database at a time. The second is refused and names the first.
  - A migration declares its O(class), and is held to it. What claims to be V(expand) must take nothing away that the
    version before it needs. With O(kind=sql) a file that does is rolled back; the other kinds fail afterwards.
options:
  state:
    description:
      - V(migrated) runs what is pending.
      - V(downgraded) takes back what came after O(to), with the folder or image that knows it.
      - V(checked) refuses what V(migrated) would refuse and lists what is pending. Unlike check mode it asks by a Job
        where only an image can tell.
    type: str
    choices: [migrated, downgraded, checked]
    default: migrated
  name:
    description: What the migration is called in the ledger, in Jobs and in messages.
    type: str
    required: true
  kind:
    description:
      - V(sql) runs the files in O(path) in the order of their names, each in one transaction that also records it with
        its hash in the table C(release_migrations). A file that was changed after it had been run is refused.
        C(NAME.down.sql) takes C(NAME.sql) back.
      - "A file with the line C(-- release: alone) is one statement outside of any transaction, for example
        C(CREATE INDEX CONCURRENTLY). If it does not end, the schema is dirty."
      - "A file with the line C(-- release: batches) is one statement that is run until it returns no row any more. It
        takes the O(batch) rows that come after C(:after) (null at first), with C(LIMIT :batch), and has to end with
        C(RETURNING ... AS key). How far it came is in C(release_migrations), and whoever runs it next goes on there."
      - V(alembic) runs Alembic from the folder O(path) on this machine, or from O(image) in O(job) or O(pod).
      - V(job) runs O(command) in a Job with O(image).
      - V(command) runs O(command) in a pod that already runs O(image). C(playbooks/deploy.yml) migrates before any pod
        of the new version is there, so a release takes V(job).
    type: str
    choices: [alembic, sql, job, command]
    required: true
  class:
    description:
      - V(expand) leaves a schema both versions can work with.
      - V(contract) takes away what the version before needs. It needs O(backup).
      - V(irreversible) cannot be taken back by a downgrade. It needs O(backup).
    type: str
    choices: [expand, contract, irreversible]
    required: true
  database:
    description: Name of the database.
    type: str
    required: true
  to:
    description:
      - The revision the schema has to be at afterwards. The newest one that is known, if not set.
      - Required with O(state=downgraded), where V(base) takes everything back.
    type: str
  backup:
    description: Id of the backup to return to, as M(runbook.release.pg_backup) returns it. The ledger records it.
    type: str
  revision:
    description: Where the database records its revision.
    type: dict
    default: {}
    suboptions:
      kind:
        description:
          - V(auto) is the only one of the tables below that is there.
          - V(alembic) is C(alembic_version).
          - V(schema_migrations) is the table of that name, with or without a column C(dirty).
          - V(sqlx) is C(_sqlx_migrations).
          - V(files) is the table of O(kind=sql).
          - V(query) is O(revision.query).
        type: str
        choices: [auto, alembic, schema_migrations, sqlx, files, query]
        default: auto
      schema:
        description: Schema of the table; by default the search path of the user finds it.
        type: str
      query:
        description: A SELECT with a column C(revision), and a column C(dirty) if something can be.
        type: str
  path:
    description: Folder of the files with O(kind=sql), or in which Alembic is run on this machine.
    type: path
  environment:
    description:
      - Variables for Alembic on this machine. The variables of libpq are set from O(server), and a password is passed
        in a file that nobody else can open.
    type: dict
  image:
    description: The image of the version that has the migrations.
    type: str
  command:
    description:
      - The command that migrates. In it C({to}) stands for the revision it should reach.
      - With O(kind=alembic) how Alembic is called, C(alembic) if not set.
    type: list
    elements: str
  history:
    description:
      - A command that prints every revision it knows, one a line, the oldest first, and changes nothing.
      - Without it nobody knows what is pending before it has run, and nothing can be taken back.
    type: list
    elements: str
  down:
    description: The command that takes back what came after the revision C({to}).
    type: list
    elements: str
  batch:
    description: Rows of one batch.
    type: int
    default: 1000
  progress:
    description: How far a long migration is.
    type: dict
    suboptions:
      query:
        description: A SELECT on what the migration writes while it runs.
        type: str
        required: true
      stall:
        description: Seconds after which an answer that stays the same means that the migration hangs; never if V(0).
        type: int
        default: 0
  lock_timeout:
    description: Seconds a statement waits for a lock, so that readers do not queue behind it. Not of C(CONCURRENTLY).
    type: int
    default: 5
  timeout:
    description: Seconds a command may take.
    type: int
    default: 600
  log:
    description: File to which what was said meanwhile is added, with the time. Only its owner can read it.
    type: path
extends_documentation_fragment:
  - runbook.release.migration
  - runbook.release.postgres
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: partial
    details:
      - An image can only be asked by running it, so with O(job) or O(pod) what is pending is not known in check mode.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: A command without O(history) and O(to) is run every time, since nobody knows whether anything is pending.
notes:
  - With O(job) it needs the RBAC verbs C(list), C(watch), C(create) and C(delete) for C(jobs.batch), C(list) and
    C(watch) for C(pods), and C(get) for C(pods/log) and for the workload in O(job.like).
  - With O(pod) it needs C(get) and C(list) for C(pods), and C(get) and C(create) for C(pods/exec).
  - Whether an V(expand) takes something away is judged by tables, views, columns, their types, and rules that old
    columns have to obey. What a function or a trigger does is not seen.
"""

EXAMPLES = r"""
- name: What is pending?
  runbook.release.pg_migrate:
    state: checked
    name: orders
    kind: alembic
    class: expand
    server: {mode: exec, namespace: shop, pod: postgres-0}
    database: shop
    image: registry.example/shop:2.4.0
    job:
      namespace: shop
      like: {name: shop-blue}

- name: Migrate with the image of the new version
  runbook.release.pg_migrate:
    name: orders
    kind: job
    class: expand
    server: {mode: exec, namespace: shop, pod: postgres-0}
    database: shop
    image: registry.example/shop:2.4.0
    job:
      namespace: shop
      like: {name: shop-blue}
    command: [shop, migrate]
    history: [shop, migrations]

- name: Run the files that are pending, with a way back
  runbook.release.pg_migrate:
    name: drop the old column
    kind: sql
    class: contract
    server: {host: db.example, user: owner, password_file: /run/secrets/db}
    database: shop
    path: files/migrations
    backup: "{{ backup.id }}"
"""

RETURN = r"""
before:
  description: The revision of the schema before.
  type: dict
  returned: success
  sample: {revision: ae1027a6acf, dirty: "", source: alembic}
after:
  description: The revision of the schema now.
  type: dict
  returned: success, and when a migration failed
  sample: {revision: 53fffde5ad5, dirty: "", source: alembic}
pending:
  description: What was to run, or with O(state=downgraded) to be taken back, in this order.
  type: list
  elements: str
  returned: success
  sample: [53fffde5ad5]
known:
  description: Whether anybody could say what is pending.
  type: bool
  returned: success
plan:
  description: The same as sentences.
  type: list
  elements: str
  returned: success
  sample: [run 53fffde5ad5]
log:
  description: The last of what was said meanwhile.
  type: str
  returned: success, and when a command failed
progress:
  description: The last answer to O(progress.query).
  type: list
  elements: dict
  returned: success
seconds:
  description: How long it took.
  type: float
  returned: success
lost:
  description: What a migration that was declared V(expand) took away.
  type: list
  elements: str
  returned: when it did
  sample: [column note of public.orders is gone]
busy:
  description: Sessions that a migration would have to wait for.
  type: list
  elements: dict
  returned: when refused because of them
  sample:
    - {pid: 4711, application: pg_dump, user: backup, since: "2026-11-24T19:00:00Z", why: dumps the database}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.migration.operate import Request, operate
from ansible_collections.runbook.release.plugins.module_utils.migration.progress import Progress
from ansible_collections.runbook.release.plugins.module_utils.migration.revision import SOURCES, Source
from ansible_collections.runbook.release.plugins.module_utils.migration.runner import TAIL
from ansible_collections.runbook.release.plugins.module_utils.migration.setup import (
    keep_log,
    kind_of,
    needs_cluster,
    want_of,
)
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import SERVER_OPTIONS, server_of
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run

WORDS = {"type": "list", "elements": "str"}
REVISION = {
    "type": "dict",
    "default": {},
    "options": {
        "kind": {"type": "str", "choices": list(SOURCES), "default": "auto"},
        "schema": {"type": "str"},
        "query": {"type": "str"},
    },
    "required_if": [("kind", "query", ("query",))],
}
JOB = {
    "type": "dict",
    "options": {
        "namespace": {"type": "str", "required": True},
        "like": {
            "type": "dict",
            "options": {
                "kind": {"type": "str", "choices": ["Deployment", "StatefulSet"], "default": "Deployment"},
                "name": {"type": "str", "required": True},
            },
        },
        "spec": {"type": "dict"},
        "container": {"type": "str"},
    },
    "mutually_exclusive": [("like", "spec")],
    "required_one_of": [("like", "spec")],
}
POD = {
    "type": "dict",
    "options": {
        "namespace": {"type": "str", "required": True},
        "name": {"type": "str"},
        "selector": {"type": "str"},
        "container": {"type": "str"},
    },
    "mutually_exclusive": [("name", "selector")],
    "required_one_of": [("name", "selector")],
}
PROGRESS = {
    "type": "dict",
    "options": {"query": {"type": "str", "required": True}, "stall": {"type": "int", "default": 0}},
}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["migrated", "downgraded", "checked"], "default": "migrated"},
            "name": {"type": "str", "required": True},
            "kind": {"type": "str", "choices": ["alembic", "sql", "job", "command"], "required": True},
            "class": {"type": "str", "choices": ["expand", "contract", "irreversible"], "required": True},
            "database": {"type": "str", "required": True},
            "to": {"type": "str"},
            "backup": {"type": "str"},
            "revision": REVISION,
            "path": {"type": "path"},
            "environment": {"type": "dict", "no_log": True},
            "image": {"type": "str"},
            "job": JOB,
            "pod": POD,
            "command": WORDS,
            "history": WORDS,
            "down": WORDS,
            "batch": {"type": "int", "default": 1000},
            "progress": PROGRESS,
            "lock_timeout": {"type": "int", "default": 5},
            "timeout": {"type": "int", "default": 600},
            "log": {"type": "path"},
        },
        required_if=[
            ("state", "downgraded", ("to",)),
            ("kind", "sql", ("path",)),
            ("kind", "alembic", ("path", "job", "pod"), True),
            ("kind", "job", ("job", "command")),
            ("kind", "command", ("pod", "command")),
        ],
        required_by={"job": ("image",), "pod": ("image",)},
        mutually_exclusive=[("path", "job", "pod")],
    )
    return own.merge(ArgumentSpec(SERVER_OPTIONS.options | RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        client = kube_client(module) if needs_cluster(params) else None
        with server_of(params["server"], client) as server:
            read = params["progress"]
            request = Request(
                server,
                params["database"],
                Source.of(params["revision"]),
                kind_of(params, server, client),
                want_of(params),
                Progress(lambda: server.rows(read["query"], params["database"]), read["stall"]) if read else None,
                module.check_mode,
            )
            try:
                with journal(client, Run.of(params["run"]), module.warn) as book:
                    outcome = operate(request, book)
            except ReleaseError as error:
                keep_log(params["log"], params["name"], str(error.details.get("log") or ""))
                raise
        keep_log(params["log"], params["name"], outcome.log)
        diff = {"diff": outcome.diff()} if module._diff else {}
        module.exit_json(**outcome.report(), log=outcome.log[-TAIL:], **diff)


if __name__ == "__main__":
    main()
