#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_bluegreen_info
short_description: Tell what both colours of a component run
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads the entry, the colour Services, the workloads and Helm's records, and tells which colour is live, which
    version each colour provably runs, and which revisions Helm remembers.
options:
  name:
    description: Name of the component.
    type: str
    required: true
  namespace:
    description: Namespace of the component.
    type: str
    required: true
extends_documentation_fragment:
  - runbook.release.entry
  - runbook.release.kube
  - runbook.release.attributes
  - runbook.release.attributes.info_module
seealso:
  - module: runbook.release.helm_bluegreen
"""

EXAMPLES = r"""
- name: See what runs
  runbook.release.helm_bluegreen_info:
    name: shop
    namespace: shop
    entry: {kind: httproute, name: shop}
  register: shop

- name: Say it
  ansible.builtin.debug:
    msg: "{{ shop.live }} is live with {{ shop.versions[shop.live] }}"
  when: not shop.first
"""

RETURN = r"""
live:
  description: The colour that carries the traffic, during a shift the one it began from; empty while nothing is live.
  type: str
  returned: success
  sample: blue
idle:
  description: The other colour; empty while nothing is live yet.
  type: str
  returned: success
  sample: green
first:
  description: Whether nothing is live yet.
  type: bool
  returned: success
previous:
  description: The colour that was live before the newest shift; empty when no shift is recorded.
  type: str
  returned: success
  sample: green
versions:
  description: The version each colour provably runs; empty when none is proven.
  type: dict
  returned: success
  sample: {blue: 1.3.2, green: 1.4.0}
colours:
  description:
    - Both colours.
    - C(workers) has the replicas of each worker, and of a CronJob V(1), or V(0) while it is suspended.
  type: dict
  returned: success
  sample:
    blue: {release: shop-blue, service: shop-blue, version: 1.3.2, digest: sha256:91aa20, revision: 7, status: deployed,
           ready: 3, desired: 3, weight: 100, quarantined: "", workers: {CronJob cleanup-blue: 1}}
history:
  description: The revisions Helm remembers of each colour, newest first.
  type: dict
  returned: success
  sample:
    blue: [{revision: 7, status: deployed, modified: 1764000000}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Target, observe
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import ENTRY_OPTIONS


def main() -> None:
    spec = ArgumentSpec(
        {"name": {"type": "str", "required": True}, "namespace": {"type": "str", "required": True}}
    ).merge(ArgumentSpec(ENTRY_OPTIONS), kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    with failing_cleanly(module):
        module.exit_json(changed=False, **observe(kube_client(module), Target.of(module.params)).report())


if __name__ == "__main__":
    main()
