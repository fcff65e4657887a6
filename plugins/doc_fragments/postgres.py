# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a module reaches a PostgreSQL server; the twin of ``SERVER_OPTIONS`` in ``module_utils/postgres/reach.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  server:
    description:
      - The PostgreSQL server, and how it is reached.
    type: dict
    required: true
    suboptions:
      mode:
        description:
          - V(tcp) connects from where the module runs, with the client programs there.
          - V(exec) runs the client programs of the server's own container, through the API server. Every stream carries
            its SHA-256 and the exit code of what made it, so what gets lost on the way is noticed.
          - V(job) runs the client programs of O(server.image) in a Job, for a server that only pods can reach. With
            O(server.cronjob) instead, it runs the CronJob that makes the backups.
        type: str
        choices: [tcp, exec, job]
        default: tcp
      host:
        description:
          - Host name, address, or folder of the server's socket. Required for V(tcp).
          - In the other modes it is as seen from the container; the container's own environment applies if not set.
        type: str
      port:
        description: Port of the server; 5432 for V(tcp) if not set.
        type: int
      user:
        description: Who to log in as; the account's or the container's own default if not set.
        type: str
      password:
        description: Password. It gets to programs by a file without a name or by stdin, never as an argument.
        type: str
      password_file:
        description: File that holds the password.
        type: path
      password_secret:
        description: Key of a Secret that holds the password. In mode V(job) it never leaves the cluster.
        type: dict
        suboptions:
          name:
            description: Name of the Secret.
            type: str
            required: true
          key:
            description: Key in the Secret.
            type: str
            required: true
          namespace:
            description: Namespace of the Secret; that of O(server.namespace) if not set.
            type: str
      sslmode:
        description:
          - How TLS is used, as libpq has it.
          - For V(tcp), E(PGSSLMODE) or V(verify-full) if not set. A server on this machine, by its socket or a loopback
            address, is then asked for TLS and not verified.
          - In the other modes the container's own environment applies if not set.
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
      sslrootcert:
        description:
          - File with the certificates of the authorities to trust. It is in the container, except for V(tcp).
          - E(PGSSLROOTCERT) or C(~/.postgresql/root.crt) if not set.
        type: path
      bindir:
        description:
          - Folder of the client programs, when they are not where the distribution puts them or on E(PATH).
          - They have to be of the server's own major version; archives of a newer one cannot go back into the server.
        type: str
      namespace:
        description: Namespace of the pod or Job. Required for V(exec) and V(job).
        type: str
      pod:
        description: Name of the pod, for V(exec).
        type: str
      selector:
        description:
          - Labels of the pod, for V(exec). Of several ready pods the one whose server is no standby is taken.
        type: str
      container:
        description: Container of the pod; its default container, or the first one, if not set.
        type: str
      image:
        description: Image with the client programs of the server's major version and a shell, for V(job).
        type: str
      cronjob:
        description:
          - Name of the CronJob that makes the backups, for V(job). It is run once, and its success is all that is known
            of such a backup.
        type: str
      timeout:
        description: Seconds a Job may take.
        type: int
        default: 3600
requirements:
  - psycopg2, and pg_dump and pg_restore of the server's major version, with O(server.mode=tcp)
  - C(sh), C(tee), C(head), C(sha256sum), C(psql), C(pg_dump) and C(pg_restore) in the container, with
    O(server.mode=exec) and O(server.mode=job)
notes:
  - With O(server.mode=exec) it needs the RBAC verbs C(get) and C(list) for C(pods) and C(create) for C(pods/exec) in
    O(server.namespace); with O(server.mode=job) also C(create), C(get), C(list) and C(watch) for C(jobs.batch), and
    C(watch) for C(pods).
"""

    SCRATCH: str = (
        DOCUMENTATION.partition("requirements:")[0]
        .replace("  server:\n", "  scratch:\n", 1)
        .replace(
            "The PostgreSQL server, and how it is reached.",
            "Another server of the same major version to prove backups on, so that no copy is made beside the live"
            " database. It needs the roles and the extensions of the database. O(server) itself if not set.",
        )
        .replace("required: true", "required: false", 1)
        .replace("O(server.", "O(scratch.")
    )
