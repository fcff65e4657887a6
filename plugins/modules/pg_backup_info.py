#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup_info
short_description: List the backups of PostgreSQL databases, and what would be lost
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Lists the backups of a store with age, size, versions and how far they are proven.
  - Says whether no more than a given time would be lost (O(recovery_point)) and whether a backup was proven lately
    (O(proof), O(proof_within)).
  - Lists the dumps that are running on a server. A migration that needs a lock would wait behind them, and everybody
    else behind the migration.
options:
  database:
    description: The database whose backups and dumps to list; all if not set.
    type: str
  id:
    description: The one backup to list.
    type: str
  system:
    description:
      - System identifier of the server whose backups to list.
      - That of O(server) if not set, or all without it.
    type: str
  recovery_point:
    description: The most that may be lost, for example V(1 h). The newest backup that is not known to be bad counts.
    type: str
  proof:
    description: The level to which a backup has to be proven.
    type: str
    choices: [checksum, decode, restore, full]
    default: restore
  proof_within:
    description: How old that proof may be, for example V(7 d). Any age will do if not set.
    type: str
  server:
    required: false
extends_documentation_fragment:
  - runbook.release.postgres
  - runbook.release.backup_store
  - runbook.release.kube
  - runbook.release.attributes
  - runbook.release.attributes.info_module
seealso:
  - module: runbook.release.pg_backup
"""

EXAMPLES = r"""
- name: What there is
  runbook.release.pg_backup_info:
    database: shop
    store: {path: /var/backups/shop}
    recovery_point: 1 h
    proof_within: 7 d
  register: backups

- name: At most an hour would be lost, and a restore was tried within the week
  ansible.builtin.assert:
    that:
      - backups.recovery.holds
      - backups.proven.holds
    fail_msg: "{{ backups.recovery.sentence }}; {{ backups.proven.sentence }}"

- name: No dump is running
  runbook.release.pg_backup_info:
    database: shop
    server: {host: db.example.com, user: backup, password_file: /etc/backup/password}
  register: backups
  until: not backups.running
  retries: 10
"""

RETURN = r"""
backups:
  description: The backups, newest first, each as M(runbook.release.pg_backup) returns it in
    RV(runbook.release.pg_backup#module:backup).
  type: list
  elements: dict
  returned: with O(store)
broken:
  description: What is in the store and no backup, each with C(id) and C(why). It is never touched.
  type: list
  elements: dict
  returned: with O(store)
bytes:
  description: Size of all of them in the store.
  type: int
  returned: with O(store)
recovery:
  description: Whether no more than O(recovery_point) would be lost.
  type: dict
  returned: with O(store) and O(recovery_point)
  contains: &standing
    holds:
      description: Whether it is so.
      type: bool
    backup:
      description: The backup that decides it.
      type: str
    age:
      description: Seconds; of the backup's contents, or of its proof.
      type: float
    sentence:
      description: All of it in one sentence.
      type: str
      sample: backup shop-1.4.0 is 25 min old, at most 1 h is allowed
proven:
  description: Whether a backup is proven to O(proof), by a proof younger than O(proof_within).
  type: dict
  returned: with O(store)
  contains: *standing
running:
  description: Dumps that are running.
  type: list
  elements: dict
  returned: with O(server)
  contains:
    database:
      description: The database that is dumped.
      type: str
    pid:
      description: Process of the server.
      type: int
    program:
      description: The name it gave itself.
      type: str
    user:
      description: Who is logged in.
      type: str
    client:
      description: Address it came from, empty for a socket.
      type: str
    since:
      description: When it began.
      type: str
      sample: "2026-11-21T12:00:00Z"
    seconds:
      description: For how many seconds it has been running.
      type: int
identity:
  description: The server, with C(system), C(version), C(major) and C(cluster_name).
  type: dict
  returned: with O(server)
"""

import typing as t
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres import age, running
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import LEVELS, Manifest
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import (
    needs_cluster,
    server_of,
    server_option,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.reach import STORE_OPTIONS, store_of
from ansible_collections.runbook.release.plugins.module_utils.window.spans import optional


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "database": {"type": "str"},
            "id": {"type": "str"},
            "system": {"type": "str"},
            "recovery_point": {"type": "str"},
            "proof": {"type": "str", "choices": list(LEVELS), "default": "restore"},
            "proof_within": {"type": "str"},
            "server": server_option(required=False),
        },
        required_one_of=[("store", "server")],
    )
    return own.merge(ArgumentSpec(STORE_OPTIONS), kube_argument_spec())


def asked(module: AnsibleModule) -> dict[str, t.Any]:
    """What the server says; empty without one."""
    given = module.params["server"]
    if not given:
        return {}
    client = kube_client(module) if needs_cluster(given) else None
    with server_of(given, client) as server:
        dumps = running.dumps(server, module.params["database"] or "")
        return {"running": dumps, "identity": asdict(server.identity())}


def listed(params: t.Mapping[str, t.Any], system: str) -> dict[str, t.Any]:
    """What the store says; empty without one."""
    if not params["store"]:
        return {}
    store, now = store_of(params["store"]), datetime.now(UTC)
    wanted = {"database": params["database"], "id": params["id"], "system": system}
    backups = [one for one in store.backups() if _fits(one, wanted)]
    result: dict[str, t.Any] = {
        "backups": [age.report(one, now) for one in reversed(backups)],
        "broken": [{"id": id, "why": why} for id, why in store.broken() if params["id"] in (None, id)],
        "bytes": sum(one.size for one in backups),
    }
    return result | demands(params, backups, now)


def demands(params: t.Mapping[str, t.Any], backups: Sequence[Manifest], now: datetime) -> dict[str, t.Any]:
    within, allowed = (optional(name, params[name]) for name in ("proof_within", "recovery_point"))
    result = {"proven": age.proof(backups, now, params["proof"], within).report()}
    if allowed is not None:
        result["recovery"] = age.recovery_point(backups, now, allowed).report()
    return result


def _fits(manifest: Manifest, wanted: t.Mapping[str, str | None]) -> bool:
    return all(not value or getattr(manifest, name) == value for name, value in wanted.items())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        said = asked(module)
        system = module.params["system"] or (said["identity"]["system"] if said else "")
        module.exit_json(changed=False, **said, **listed(module.params, system))


if __name__ == "__main__":
    main()
