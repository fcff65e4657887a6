#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_restore
short_description: Bring a PostgreSQL database back from a backup, and take that back
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Nothing is ever restored into a database that is in use. A backup is restored into a new database beside it, with
    the owner, locale, permissions and settings it was recorded with, and all of it is compared with the manifest.
  - Only then the new database takes the place of the old one, by two renames in one transaction. Nobody can connect for
    that moment, and sessions in the old database are ended.
  - The database that was replaced is kept under a dated name, closed to connections. O(state=reverted) puts it back.
  - Whatever ends a run before the renames has not touched the database. Connections to it that are off at that moment
    are allowed again by the run itself, or by the next one if the run was killed. The new database is dropped likewise.
options:
  state:
    description:
      - V(restored) puts what the backup O(id) holds in the place of O(database). Nothing is done while the database is
        the one that was restored from this backup; see O(began).
      - V(reverted) puts the database back that the last restore replaced. The one it had been replaced by is kept under
        a dated name in turn.
      - V(checked) refuses what V(restored) would refuse before it begins, and says what that would do. Unlike check
        mode it asks a server by a Job where only a Job reaches it.
    type: str
    choices: [restored, reverted, checked]
    default: restored
  database:
    description: Name of the database. Unless O(state=reverted) it may be missing.
    type: str
    required: true
  id:
    description:
      - The backup to restore.
      - The newest one of O(database) that is proven to V(restore) or more if not set. Required if O(accept_foreign)
        leaves open of which of several systems it is to be.
    type: str
  proof:
    description:
      - How far the restored database is proven before it takes the place of the other one.
      - V(restore) compares all rows, the schema, sequences, large objects, settings and permissions with the manifest.
      - V(full) has the server check all tables and indexes, too.
    type: str
    choices: [restore, full]
    default: restore
  jobs:
    description: Number of tables to restore at once. Only with O(server.mode=tcp).
    type: int
    default: 1
  accept_data_loss:
    description:
      - Accept that what was written since the moment the backup holds, or with O(state=reverted) since the restore, is
        not in the database any more. It is in the one that is kept.
      - Without it a database that exists is never replaced. The refusal says how many seconds of writes it is about.
    type: bool
    default: false
  accept_foreign:
    description: Accept a backup that was made of another server, or of a database of another name.
    type: bool
    default: false
  again:
    description: Restore also if the database was restored from this very backup already.
    type: bool
    default: false
  began:
    description:
      - Epoch seconds at which the recovery began that this is a part of. A restore from this very backup that was done
        since then is this one, and is not done again. An earlier one is refused, unless O(again).
      - If not set, the database that was restored from this backup at any time is left as it is, unless O(again).
    type: float
  safety_backup:
    description:
      - With O(state=restored), make a backup of the database as it is before anything else, in the same store and
        proven to V(checksum). Without that backup nothing is restored.
    type: bool
    default: true
  encryption:
    description: The keys of the program C(age), for a backup that is encrypted.
    type: dict
    suboptions:
      identity_file:
        description: File with the private key that decrypts the backup.
        type: path
      recipients:
        description: Public keys that may decrypt the backup that O(safety_backup) makes.
        type: list
        elements: str
        default: []
extends_documentation_fragment:
  - runbook.release.postgres
  - runbook.release.backup_store
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - It finds out whether the server has what the backup needs, whether C(pg_restore) and the key are there, and
        whether O(safety_backup) could be made. Nothing is restored and nobody is disconnected.
      - With O(server.mode=job) it is refused, because no Job is made in check mode; O(state=checked) makes it.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A database that was restored from the backup is left as it is, with what was written since, unless O(again).
requirements:
  - age, with O(encryption)
notes:
  - The role needs the attribute CREATEDB, has to be a member of the roles that own the database and what is in it, and
    has to be allowed to end sessions of others (C(pg_signal_backend)).
  - There has to be room for a second copy of the database. That is checked where the server's folder can be seen.
  - Roles are not part of a backup. Those that are missing are named before anything is restored.
  - Prepared transactions, logical replication slots and subscriptions belong to one very database. With any of them it
    is not replaced.
  - With TimescaleDB the server needs the very version the backup was made with. Its jobs stay off until the database is
    in place.
  - Databases that are kept are never dropped. Drop them once nobody needs the way back.
seealso:
  - module: runbook.release.pg_backup
  - module: runbook.release.pg_backup_info
"""

EXAMPLES = r"""
- name: Go back to the backup made before the release
  runbook.release.pg_restore:
    database: shop
    id: shop-1.4.0
    accept_data_loss: true
    server: {host: db.example.com, user: restore, password_file: /etc/backup/password}
    store: {path: /var/backups/shop}
    run: "{{ begun.run }}"
  register: restored

- name: How long nobody could connect, and what was lost
  ansible.builtin.debug:
    msg: "{{ restored.outage_ms }} ms; {{ restored.data_loss_seconds }} s of writes are in {{ restored.replaced }}"

- name: Take the restore back
  runbook.release.pg_restore:
    state: reverted
    database: shop
    accept_data_loss: true
    server: {host: db.example.com, user: restore, password_file: /etc/backup/password}

- name: Bring the newest proven backup onto a new server
  runbook.release.pg_restore:
    database: shop
    accept_foreign: true
    proof: full
    server: {mode: exec, namespace: shop, selector: app=postgres, user: postgres}
    store:
      s3: {bucket: backups, prefix: prod/shop, endpoint: "https://s3.example.com"}
    encryption:
      identity_file: /etc/backup/key.txt
"""

RETURN = r"""
backup:
  description: The backup the database is restored from; empty if from none.
  type: str
  returned: success
  sample: shop-1.4.0
replaced:
  description: The name that the database which was in the place before has now; empty if none was.
  type: str
  returned: success
  sample: shop__replaced_20261121t194500z
outage_ms:
  description: Milliseconds during which nobody could connect.
  type: int
  returned: success
  sample: 134
data_loss_seconds:
  description:
    - Seconds of writes that are not in the database any more, or would not be. From the moment of the backup until the
      restore, whether or not there still was a database to replace.
  type: float
  returned: success, and when refused for that
  sample: 384.2
safety_backup:
  description: The backup that was made of the database as it was; empty if none.
  type: str
  returned: success
  sample: shop-before-restore-20261121t194441z
mended:
  description: What a killed run had left open, and this one brought to an end.
  type: list
  elements: str
  returned: success
plan:
  description: What was done, or would be, a sentence each.
  type: list
  elements: str
  returned: success
  sample: ["restore backup shop-1.4.0 into a new database and prove it to level restore", "put it in the place of shop"]
phases:
  description: Seconds of each phase.
  type: dict
  returned: success
  sample: {safety_backup: 12.1, restore: 24.9, proof: 6.3, analyze: 4.4, swap: 0.3}
seconds:
  description: Seconds of all phases.
  type: float
  returned: success
failed_checks:
  description: What came back different, each with C(name), C(expected) and C(found).
  type: list
  elements: dict
  returned: when the backup is not good
obstacles:
  description: What is bound to the database, or keeps the module out of it, and what to do about each.
  type: list
  elements: str
  returned: when refused for that
"""

import re
import typing as t
from dataclasses import replace
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres import decide
from ansible_collections.runbook.release.plugins.module_utils.postgres.operate import operate as back_up
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import (
    needs_cluster,
    server_of,
    server_option,
)
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore import Safety, operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.restore_decide import RESTORE, Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.reach import STORE_OPTIONS, store_of
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book, journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run

if t.TYPE_CHECKING:
    from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
    from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import Manifest
    from ansible_collections.runbook.release.plugins.module_utils.postgres.server import Server
    from ansible_collections.runbook.release.plugins.module_utils.postgres.store.base import Store

_LONGEST_BEGIN = 48


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["restored", "reverted", "checked"], "default": "restored"},
            "database": {"type": "str", "required": True},
            "id": {"type": "str"},
            "proof": {"type": "str", "choices": ["restore", "full"], "default": "restore"},
            "jobs": {"type": "int", "default": 1},
            "accept_data_loss": {"type": "bool", "default": False},
            "accept_foreign": {"type": "bool", "default": False},
            "again": {"type": "bool", "default": False},
            "began": {"type": "float"},
            "safety_backup": {"type": "bool", "default": True},
            "encryption": {
                "type": "dict",
                "options": {
                    "identity_file": {"type": "path"},
                    "recipients": {"type": "list", "elements": "str", "default": []},
                },
            },
            "server": server_option(),
        },
        required_if=[("state", "restored", ["store"]), ("state", "checked", ["store"])],
    )
    return own.merge(ArgumentSpec(STORE_OPTIONS | RUN_OPTIONS), kube_argument_spec())


def request_of(module: AnsibleModule) -> Request:
    params, only_look = module.params, module.params["state"] == "checked"
    return Request(
        state=RESTORE if only_look else params["state"],
        database=params["database"],
        id=params["id"] or "",
        level=params["proof"],
        jobs=params["jobs"],
        accept_data_loss=params["accept_data_loss"],
        accept_foreign=params["accept_foreign"],
        again=params["again"],
        began=datetime.fromtimestamp(params["began"], UTC) if params["began"] is not None else None,
        check=only_look or module.check_mode,
    )


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        run = Run.of(module.params["run"])
        client = kube_client(module) if run or needs_cluster(module.params["server"]) else None
        with journal(client, run, module.warn) as book:
            module.exit_json(**restore(module, client, book))


def restore(module: AnsibleModule, client: KubeClient | None, book: Book) -> dict[str, t.Any]:
    params = module.params
    store = readable(module, store_of(params["store"])) if params["store"] else None
    with server_of(params["server"], client) as server:
        wanted = params["safety_backup"] and store is not None
        outcome = operate(server, store, request_of(module), safety_of(module, server, store) if wanted else None, book)
    if params["state"] == "checked":
        return outcome.report() | {"changed": False}
    return outcome.report() | ({"diff": outcome.diff()} if module._diff else {})


def readable(module: AnsibleModule, store: Store) -> Store:
    """The store as somebody with the private key sees it, if there is one."""
    identity = (module.params["encryption"] or {}).get("identity_file")
    if not identity:
        return store
    from ansible_collections.runbook.release.plugins.module_utils.postgres.crypt import OpenedStore

    return OpenedStore(store, identity)


def safety_of(module: AnsibleModule, server: Server, store: Store) -> Safety:
    """The backup of the database as it is, encrypted if the one to be restored is."""
    params, encryption = module.params, module.params["encryption"] or {}
    run, recipients = params["run"] or {}, tuple(encryption.get("recipients") or ())
    begin = re.sub(r"[^A-Za-z0-9._-]+", "-", params["database"]).strip(".-_")[:_LONGEST_BEGIN] or "database"
    stamp = datetime.now(UTC).strftime("%Y%m%dt%H%M%Sz")

    wish = decide.Request(
        state=decide.PRESENT,
        database=params["database"],
        id=f"{begin}-before-restore-{stamp}",
        release=run.get("release", ""),
        level="checksum",
        recipients=recipients,
    )

    def refuse_plain(restored: Manifest) -> None:
        if restored.encryption and not recipients:
            raise Refused(
                "the backups here are encrypted, and for the one of the database as it is there is no key",
                remedy="give encryption.recipients, or set safety_backup to false",
            )

    def look(restored: Manifest) -> None:
        refuse_plain(restored)
        back_up(store, server, replace(wish, check=True))

    def make(restored: Manifest) -> Manifest:
        refuse_plain(restored)
        made = back_up(store, server, wish).backup
        if made is None:
            raise AssertionError("a backup that was made is known")
        return made

    return Safety(make, look)


if __name__ == "__main__":
    main()
