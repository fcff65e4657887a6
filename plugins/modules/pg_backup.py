#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup
short_description: Make, prove and prune backups of a PostgreSQL database
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - A backup is a dump and a manifest that says what the database held in the very snapshot that was dumped. Number and
    digest of the rows of every table, sequences, large objects, schema, settings, permissions, versions.
  - Its proof is compared with that. Level V(restore) restores it into a scratch database and finds every row again.
  - There is no half backup. It is written under another name, hashed on the way, and becomes a backup by its manifest,
    which is the last thing written. Whatever ends a run before that leaves nothing, or what the next run removes.
  - The live database is only read.
options:
  state:
    description:
      - V(present) makes the backup O(id) unless it is there, and proves it to level O(proof). A backup of that id that
        was made of another system or database is refused.
      - V(verified) proves the backup O(id), or the newest one of O(database), to level O(proof), unless it is.
      - V(pruned) deletes the backups of O(database) that O(keep) does not keep.
    type: str
    choices: [present, verified, pruned]
    default: present
  database:
    description: Name of the database.
    type: str
    required: true
  id:
    description:
      - Name of the backup in the store. Up to 80 letters, digits, dots, hyphens and underscores.
      - Required with O(state=present), unless O(server.cronjob) makes the backup.
    type: str
  server:
    required: false
extends_documentation_fragment:
  - runbook.release.backup.dump
  - runbook.release.backup.proof
  - runbook.release.backup.retention
  - runbook.release.postgres
  - runbook.release.postgres.scratch
  - runbook.release.backup_store
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details: It says what it would make, prove or delete, and finds out whether it could. Nothing is dumped.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: Except with O(server.cronjob), which runs once more each time.
requirements:
  - age, with O(encryption)
seealso:
  - module: runbook.release.pg_backup_info
  - module: runbook.release.pg_restore
"""

EXAMPLES = r"""
- name: A backup of this release, proven by a restore
  runbook.release.pg_backup:
    id: shop-1.4.0
    database: shop
    server: {host: db.example.com, user: backup, password_file: /etc/backup/password}
    store: {path: /var/backups/shop}
    run: "{{ begun.run }}"

- name: One that is young enough will do
  runbook.release.pg_backup:
    id: shop-{{ ansible_date_time.iso8601_basic_short }}
    database: shop
    if_younger_than: 1 h
    server: {mode: exec, namespace: shop, selector: app=postgres, user: postgres}
    store: {s3: {bucket: backups, prefix: prod/shop, endpoint: https://s3.example.com, object_lock_days: 14}}
    encryption:
      recipients: ["{{ backup_public_key }}"]
      identity_file: /etc/backup/key.txt

- name: The newest backup was proven to be restorable within a week
  runbook.release.pg_backup:
    state: verified
    database: shop
    proof: full
    proof_within: 7 d
    server: {host: db.example.com, user: backup, password_file: /etc/backup/password}
    store: {path: /var/backups/shop}

- name: Keep a week of days, a month of weeks and a year of months
  runbook.release.pg_backup:
    state: pruned
    database: shop
    keep: {daily: 7, weekly: 5, monthly: 12}
    way_back: ["shop-1.3.2"]
    store: {path: /var/backups/shop}

- name: Let the CronJob that makes the backups make one now
  runbook.release.pg_backup:
    database: shop
    server: {mode: job, namespace: shop, cronjob: shop-backup, timeout: 600}
"""

RETURN = r"""
id:
  description: The backup this run made or found.
  type: str
  returned: with O(state=present) and O(state=verified), without O(server.cronjob)
taken:
  description: Whether it was made by this run, or would be.
  type: bool
  returned: without O(server.cronjob)
backup:
  description: What is known of it. None if it would be made in check mode, and with O(state=pruned).
  type: dict
  returned: without O(server.cronjob)
  contains:
    id:
      description: Its name.
      type: str
    database:
      description: The database it is of.
      type: str
    release:
      description: The release it was made for.
      type: str
    made_at:
      description: The moment whose contents it holds.
      type: str
    age:
      description: Seconds since that moment. What was written in the database since then is not in it.
      type: float
    seconds:
      description: Seconds from that moment until it was complete.
      type: float
    bytes:
      description: Its size in the store.
      type: int
    files:
      description: Number of its files.
      type: int
    format:
      description: V(custom) or V(directory).
      type: str
    compression:
      description: Codec and level.
      type: str
    encryption:
      description: V(age), or empty.
      type: str
    level:
      description: How far it is proven, V(none) if it is not or its proof failed.
      type: str
    proof:
      description: The proof, with C(level), C(at), C(age), C(seconds), C(holds), C(checks) and those that C(failed).
      type: dict
    server:
      description: The server it was made of, with C(system), C(version), C(major) and C(cluster_name).
      type: dict
    client_version:
      description: Version of C(pg_dump).
      type: str
    extensions:
      description: Versions of the extensions.
      type: dict
    timescaledb:
      description: Version of TimescaleDB, or empty.
      type: str
    schema_revision:
      description: What the tool for migrations had recorded in the database.
      type: str
    lsn:
      description: Position in the write-ahead log.
      type: str
    tables:
      description: Number of tables.
      type: int
    rows:
      description: Number of rows in all of them.
      type: int
    large_objects:
      description: Number of large objects.
      type: int
    pinned:
      description: Why it is never pruned, or empty.
      type: str
    phases:
      description: Seconds of each phase.
      type: dict
plan:
  description: What was done, or would be, a sentence each.
  type: list
  elements: str
  returned: always
  sample: ["dump shop as backup shop-1.4.0", "prove backup shop-1.4.0 to level restore"]
kept:
  description: Backups that were kept, each with C(id) and C(why).
  type: list
  elements: dict
  returned: without O(server.cronjob)
deleted:
  description: Backups that were deleted.
  type: list
  elements: str
  returned: without O(server.cronjob)
retained:
  description: Backups that should have been deleted, and that the store has to keep for some time.
  type: list
  elements: str
  returned: without O(server.cronjob)
swept:
  description: What dead runs had left behind, and this one removed.
  type: list
  elements: str
  returned: without O(server.cronjob)
job:
  description: Name of the Job that made the backup.
  type: str
  returned: with O(server.cronjob)
logs:
  description: What it wrote.
  type: str
  returned: with O(server.cronjob)
level:
  description: V(none), because nobody has seen what the CronJob made.
  type: str
  returned: with O(server.cronjob)
seconds:
  description: Seconds it took.
  type: float
  returned: with O(server.cronjob)
failed_checks:
  description: The checks that a backup failed, each with C(name), C(expected) and C(found).
  type: list
  elements: dict
  returned: when the backup is not good
refusals:
  description: What cannot be read, each with the statement that allows it.
  type: list
  elements: str
  returned: when refused for that
"""

import contextlib
import typing as t
from datetime import timedelta

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.decide import Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import LEVELS
from ansible_collections.runbook.release.plugins.module_utils.postgres.operate import operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import (
    cron_backup,
    names_cronjob,
    needs_cluster,
    server_of,
    server_option,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.retention import Policy
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.reach import STORE_OPTIONS, store_of
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book, journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.window.spans import optional

if t.TYPE_CHECKING:
    from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient

_KEEP = {
    "last": {"type": "int", "default": 0},
    "within": {"type": "str"},
    "daily": {"type": "int", "default": 0},
    "weekly": {"type": "int", "default": 0},
    "monthly": {"type": "int", "default": 0},
    "yearly": {"type": "int", "default": 0},
    "min_valid": {"type": "int", "default": 2},
}
_ENCRYPTION = {
    "recipients": {"type": "list", "elements": "str", "default": []},
    "identity_file": {"type": "path"},
}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["present", "verified", "pruned"], "default": "present"},
            "database": {"type": "str", "required": True},
            "id": {"type": "str"},
            "release": {"type": "str"},
            "format": {"type": "str", "choices": ["custom", "directory"], "default": "custom"},
            "compression": {"type": "str", "default": "auto"},
            "proof": {"type": "str", "choices": list(LEVELS), "default": "restore"},
            "proof_within": {"type": "str"},
            "if_younger_than": {"type": "str"},
            "jobs": {"type": "int", "default": 1},
            "stall": {"type": "int", "default": 300},
            "lock_timeout": {"type": "int", "default": 30},
            "encryption": {"type": "dict", "options": _ENCRYPTION},
            "pin": {"type": "str"},
            "keep": {"type": "dict", "options": _KEEP},
            "way_back": {"type": "list", "elements": "str", "default": []},
            "server": server_option(required=False),
            "scratch": server_option(required=False),
        },
        required_if=[
            ("state", "present", ["server"]),
            ("state", "verified", ["server"]),
            ("state", "pruned", ["keep"]),
        ],
    )
    return own.merge(ArgumentSpec(STORE_OPTIONS | RUN_OPTIONS), kube_argument_spec())


def request_of(module: AnsibleModule) -> Request:
    params = module.params
    encryption, keep, run = params["encryption"] or {}, params["keep"], params["run"] or {}
    return Request(
        state=params["state"],
        database=params["database"],
        id=params["id"] or "",
        release=params["release"] or run.get("release", ""),
        level=params["proof"],
        format=params["format"],
        compression=params["compression"],
        jobs=params["jobs"],
        stall=float(params["stall"]),
        lock_timeout=float(params["lock_timeout"]),
        recipients=tuple(encryption.get("recipients") or ()),
        identity_file=encryption.get("identity_file") or "",
        pin=params["pin"] or "",
        younger_than=optional("if_younger_than", params["if_younger_than"]),
        proof_within=optional("proof_within", params["proof_within"]),
        policy=policy_of(keep) if params["state"] == "pruned" else None,
        way_back=tuple(params["way_back"]),
        check=module.check_mode,
    )


def policy_of(keep: dict[str, t.Any]) -> Policy:
    within = optional("keep.within", keep["within"])
    return Policy(**{**keep, "within": None if within is None else timedelta(seconds=within)})


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        server, run = module.params["server"], Run.of(module.params["run"])
        reached = [one for one in (server, module.params["scratch"]) if one]
        client = kube_client(module) if run or any(map(needs_cluster, reached)) else None
        with journal(client, run, module.warn) as book:
            if client and server and names_cronjob(server):
                module.exit_json(**by_cronjob(module, client, book))
            module.exit_json(**in_store(module, client, book))


def in_store(module: AnsibleModule, client: KubeClient | None, book: Book) -> dict[str, t.Any]:
    params = module.params
    if not params["store"]:
        raise Refused("there is no store to keep backups in", remedy="give the option store")
    if params["state"] == "present" and not params["id"]:
        raise Refused("a backup needs an id", remedy="give the option id")
    request, store = request_of(module), store_of(params["store"])
    with contextlib.ExitStack() as stack:
        server, scratch = (
            stack.enter_context(server_of(params[name], client)) if params[name] else None
            for name in ("server", "scratch")
        )
        outcome = operate(store, server, request, book, scratch)
    return outcome.report() | ({"diff": outcome.diff()} if module._diff else {})


def by_cronjob(module: AnsibleModule, client: KubeClient, book: Book) -> dict[str, t.Any]:
    """The CronJob's command makes the backup where it makes it; all that is known is that it says it succeeded."""
    server, database = module.params["server"], module.params["database"]
    if module.params["state"] != "present":
        raise Refused("what a CronJob made is in no store of ours, it can only be made", remedy="use state present")
    plan = [f"run CronJob {server['cronjob']} in namespace {server['namespace']}"]
    with book.step(f"back up {database}", None, plan) as done:
        outcome = cron_backup(server, client)
        result = {"job": outcome.job, "seconds": round(outcome.seconds, 1), "level": "none"}
        done(result)
    return {"changed": True, "plan": plan, "logs": outcome.logs, **result}


if __name__ == "__main__":
    main()
