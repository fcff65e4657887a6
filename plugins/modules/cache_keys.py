#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cache_keys
short_description: Remove keys of a Redis cache by pattern, or fill one
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Removes the keys that match a pattern while the server serves. It looks them up bit by bit (C(SCAN)) and has the
    server free them in the background (C(UNLINK)); never C(KEYS), which would stop everybody. However many there are,
    the module needs no more memory.
  - Fills one key with a value that expires.
  - Works with Redis 4 or newer and with Valkey.
options:
  do:
    description:
      - V(flush) removes the keys that match O(pattern), or with O(everything) all keys of one database.
      - V(set) gives O(key) the O(value) for the time O(ttl). A key that has the value, and more than half of that time
        left, is left as it is.
    type: str
    choices: [flush, set]
    required: true
  pattern:
    description: The keys to remove, as C(SCAN) has patterns, for example V(cache:*).
    type: str
  everything:
    description:
      - Consent to remove every key of the database O(server.db). A pattern that leaves out nothing needs it, too.
      - Other databases of the server are not touched.
    type: bool
    default: false
  queues:
    description:
      - Consent to remove keys that look like those of a queue of tasks, such as those of Celery, RQ, Bull or Sidekiq.
        They are not a cache, and what they hold is lost for good.
      - Without it a database with such keys is not emptied as a whole, and O(pattern) leaves them alone.
    type: bool
    default: false
  key:
    description: The key to fill.
    type: str
  value:
    description: Its value. It is not in the result.
    type: str
  ttl:
    description: How long the key stays, for example V(5m).
    type: str
  timeout:
    description: Seconds all of it may take. What was removed until then stays removed.
    type: int
    default: 600
  server:
    description: The server, and how it is reached.
    type: dict
    required: true
    suboptions:
      mode:
        description:
          - V(tcp) connects from where the module runs.
          - V(exec) runs C(redis-cli) (or C(valkey-cli)) in the server's own container, through the API server. Nothing
            but its name and address is among its arguments.
        type: str
        choices: [tcp, exec]
        default: tcp
      host:
        description: Host name or address. Required for V(tcp); for V(exec) the container itself if not set.
        type: str
      port:
        description: Port of the server.
        type: int
        default: 6379
      db:
        description: Number of the database.
        type: int
        default: 0
      username:
        description: Who to log in as; the default user if not set.
        type: str
      password_file:
        description: File that holds the password, where the module runs.
        type: path
      password_secret:
        description: Key of a Secret that holds the password.
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
      password_environment:
        description:
          - Variable that holds the password, where the module runs.
          - For V(exec) without a password, E(REDISCLI_AUTH) of the container applies.
        type: str
      tls:
        description: Use TLS, and verify the certificate of the server.
        type: bool
        default: false
      ca_cert:
        description: PEM file with the authorities to trust, the system's if not set. In the container for V(exec).
        type: path
      namespace:
        description: Namespace of the pod. Required for V(exec).
        type: str
      pod:
        description: Name of the pod, for V(exec).
        type: str
      selector:
        description: Labels of the pod, for V(exec). Exactly one ready pod has to have them.
        type: str
      container:
        description: Container of the pod; its default container, or the first one, if not set.
        type: str
extends_documentation_fragment:
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - It counts the keys that would be removed.
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - With O(server.mode=exec) it needs the RBAC verbs C(get) and C(list) for C(pods) and C(create) for C(pods/exec) in
    O(server.namespace), and C(get) for the Secret in O(server.password_secret).
  - A replica and a node of a cluster are refused. The one takes no writes, and the other has only a part of the keys.
seealso:
  - module: runbook.release.pg_maintain
"""

EXAMPLES = r"""
- name: Flush the forecasts
  runbook.release.cache_keys:
    do: flush
    pattern: "forecast:*"
    server: {host: redis.example.com, tls: true, password_file: /run/secrets/redis}

- name: Empty the cache in database 1, in the pod of the server
  runbook.release.cache_keys:
    do: flush
    everything: true
    server:
      mode: exec
      namespace: shop
      selector: app=redis
      db: 1
      password_secret: {name: redis, key: password}

- name: Fill one key by hand
  runbook.release.cache_keys:
    do: set
    key: "markets:active"
    value: "{{ answer.content }}"
    ttl: 5m
    server: {host: redis.example.com, tls: true, password_environment: REDIS_PASSWORD}
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be done.
  type: list
  elements: str
  returned: success
  sample: ["remove the keys that match forecast:*"]
before:
  description: Number of keys in the database before.
  type: int
  returned: success
after:
  description: Number of keys in the database afterwards. Others may have made some meanwhile.
  type: int
  returned: success
removed:
  description: How many keys were removed, or in check mode match.
  type: int
  returned: with O(do=flush), also when it failed on the way
queue_keys:
  description: How many keys that look like those of a queue were left alone.
  type: int
  returned: with O(do=flush) and O(pattern)
seconds:
  description: How long it took.
  type: float
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.cache.operate import Request, operate
from ansible_collections.runbook.release.plugins.module_utils.cache.reach import SERVER_OPTION, cache_of, needs_cluster
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run


def argument_spec() -> ArgumentSpec:
    own: dict[str, t.Any] = {
        "do": {"type": "str", "choices": ["flush", "set"], "required": True},
        "pattern": {"type": "str"},
        "everything": {"type": "bool", "default": False},
        "queues": {"type": "bool", "default": False},
        "key": {"type": "str", "no_log": False},
        "value": {"type": "str"},
        "ttl": {"type": "str"},
        "timeout": {"type": "int", "default": 600},
        "server": SERVER_OPTION,
    }
    constraints = [("do", "set", ("key", "value", "ttl"))]
    return ArgumentSpec(own, required_if=constraints).merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        request = Request.of(params, check=module.check_mode)
        run = Run.of(params["run"])
        client = kube_client(module) if run or needs_cluster(params["server"]) else None
        with journal(client, run, module.warn) as book, cache_of(params["server"], client, request.timeout) as cache:
            outcome = operate(cache, request, book)
        for warning in outcome.warnings:
            module.warn(warning)
        module.exit_json(**outcome.report(), **({"diff": outcome.diff()} if module._diff else {}))


if __name__ == "__main__":
    main()
