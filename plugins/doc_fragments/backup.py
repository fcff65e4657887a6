# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """How a backup is made, proven and kept, of M(runbook.release.pg_backup)."""

    DUMP = r"""
options:
  format:
    description:
      - V(custom) is one file that streams into the store.
      - V(directory) is a file for every table, dumped by O(jobs) at once. It needs room on the machine the module runs
        on, and can only be made with O(server.mode=tcp).
    type: str
    choices: [custom, directory]
    default: custom
  compression:
    description:
      - Codec and level, for example V(zstd:3), V(lz4), V(gzip:1) or V(none).
      - V(auto) takes the best that C(pg_dump) was built with, zstd before lz4 before gzip.
    type: str
    default: auto
  stall:
    description: Seconds without a byte, and without a sign that the server works, after which a dump is ended.
    type: int
    default: 300
  lock_timeout:
    description: Seconds the dump waits for a table that somebody has locked.
    type: int
    default: 30
  encryption:
    description: Encrypt the backup with the program C(age), before it reaches the store.
    type: dict
    suboptions:
      recipients:
        description:
          - Public keys that may decrypt it, as C(age) or SSH have them.
          - With none, and O(encryption.identity_file), a backup that is encrypted is proven and no new one encrypted.
        type: list
        elements: str
        default: []
      identity_file:
        description:
          - File with the private key of one of them. Needed to prove more than V(checksum), because a backup that
            nobody can decrypt is not proven.
        type: path
  if_younger_than:
    description:
      - With O(state=present), make none if there is a backup of this database whose contents are younger, for example
        V(1 h). That backup is proven and returned instead, whatever its id.
      - One from before M(runbook.release.pg_restore) replaced the database, or put it back, is never young enough.
      - A backup O(id) that is there and older is refused, because a new one cannot have its name.
    type: str
  jobs:
    description: Number of tables to dump at once, with O(format=directory), and to restore at once for a proof.
    type: int
    default: 1
  release:
    description: The release the backup is made for; that of O(run) if not set.
    type: str
notes:
  - Only one backup or restore of a database runs at a time. The second one is refused with the name of the first.
  - The role needs to read everything, for example as a member of C(pg_read_all_data) with the attribute BYPASSRLS, and
    a grant on every large object. What it lacks is said before anything is dumped, with the statement that helps.
  - The contents are read in the dump's own snapshot once it has ended, which takes about a fifth of its time more.
    Until then nobody can alter, truncate or drop a table of the database.
  - With O(server.cronjob) the backup is where the CronJob put it, in no store, and its level is V(none).
"""

    PROOF = r"""
options:
  proof:
    description:
      - How far the backup is proven.
      - V(checksum) reads every file and compares its SHA-256.
      - V(decode) reads the archive to its end, too.
      - V(restore) restores it into a scratch database on the same server, compares everything the manifest says of the
        database, and drops it. It needs as much room as the database, and the right to create databases.
      - V(full) has the server check all tables and indexes of that copy, too.
    type: str
    choices: [checksum, decode, restore, full]
    default: restore
  proof_within:
    description:
      - Prove it again if its proof is older, for example V(7 d).
      - A proof does not age if not set.
    type: str
"""

    RETENTION = r"""
options:
  keep:
    description:
      - Which backups to keep, with O(state=pruned). What any of these keeps is kept.
      - Always kept are the newest one that is proven to V(restore) or more, what is pinned, and O(way_back).
      - Only valid backups count. One whose proof failed goes once another one is proven. What is no backup at all is
        never touched; M(runbook.release.pg_backup_info) tells of it.
    type: dict
    suboptions:
      last:
        description: So many of the newest.
        type: int
        default: 0
      within:
        description: All that are younger, for example V(14 d).
        type: str
      daily:
        description: The newest of each of so many days that have one, by UTC.
        type: int
        default: 0
      weekly:
        description: The newest of each of so many weeks that have one.
        type: int
        default: 0
      monthly:
        description: The newest of each of so many months that have one.
        type: int
        default: 0
      yearly:
        description: The newest of each of so many years that have one.
        type: int
        default: 0
      min_valid:
        description: The fewest to keep, whatever the rest says.
        type: int
        default: 2
  way_back:
    description: Backups a release would go back to. They are never pruned.
    type: list
    elements: str
    default: []
  pin:
    description: Why this backup must never be pruned.
    type: str
"""
