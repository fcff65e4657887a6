#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence
short_description: Keep what a colour left behind before it is scaled down
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads current and previous logs, events and conditions of the pods and workloads of one colour, all at the same
    time, and writes them to a folder only the owner can read.
  - Secrets and environment variables are not read. What the application itself writes to its log is kept as it is.
options:
  name:
    description: Name of the component.
    type: str
    required: true
  namespace:
    description: Namespace of the component.
    type: str
    required: true
  colour:
    description:
      - Which colour the evidence is of.
      - For V(idle) while nothing is live yet, it is the colour the entry points at.
    type: str
    choices: [idle, live, blue, green]
    default: idle
  path:
    description: Folder to write to. It is made if it does not exist; files of the same name are overwritten.
    type: path
    required: true
extends_documentation_fragment:
  - runbook.release.entry
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - Reads everything and writes nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Logs and events move on.
seealso:
  - module: runbook.release.helm_bluegreen
"""

EXAMPLES = r"""
- name: Keep what the failed version left behind
  runbook.release.evidence:
    name: shop
    namespace: shop
    entry: {kind: httproute, name: shop}
    path: /var/lib/releases/shop/2026-11-21/evidence
  register: kept

- name: Say why it failed
  ansible.builtin.debug:
    msg: "{{ kept.summary }}"
"""

RETURN = r"""
colour:
  description: The colour the evidence is of.
  type: str
  returned: success
  sample: green
summary:
  description: What a person reads first, with the reasons and the last log lines of containers that are not ready.
  type: list
  elements: str
  returned: success
  sample:
    - "Deployment shop-green: 0 of 3 pods ready (0 of 3 pods ready)"
    - "container shop of pod shop-green-7c9b-9kq2m: CrashLoopBackOff (exit code 1, 2 restarts)"
    - "shop-green-7c9b-9kq2m shop: fatal: no such table: settings"
files:
  description: Paths of the files, the summary first.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.helm.bundle import gather, summary, write
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Target, observe
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import ENTRY_OPTIONS


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "colour": {"type": "str", "choices": ["idle", "live", "blue", "green"], "default": "idle"},
            "path": {"type": "path", "required": True},
        }
    )
    return own.merge(ArgumentSpec(ENTRY_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        params, client = module.params, kube_client(module)
        have = observe(client, Target.of(params))
        named = {"idle": have.idle or have.pointed, "live": have.pointed}
        colour = have.colours[named.get(params["colour"], params["colour"])]
        found = gather(client, params["namespace"], colour)
        lines = summary(colour, found)
        files = [] if module.check_mode else write(params["path"], lines, found)
        module.exit_json(changed=bool(files), colour=colour.colour, summary=lines, files=files)


if __name__ == "__main__":
    main()
