#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_info
short_description: Tell where the traffic of an entry goes
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads an entry and its colour Services and tells which colour is live, which version each colour runs, and where
    O(ignore:colour=previous) of M(runbook.release.traffic_switch) would lead.
options:
  namespace:
    description: Namespace of the component.
    type: str
    required: true
  name:
    description:
      - Name of the component.
      - The name of the entry if not set.
    type: str
extends_documentation_fragment:
  - runbook.release.entry
  - runbook.release.kube
  - runbook.release.attributes
  - runbook.release.attributes.info_module
seealso:
  - module: runbook.release.traffic_switch
"""

EXAMPLES = r"""
- name: See which colour is live
  runbook.release.traffic_info:
    namespace: shop
    entry:
      kind: httproute
      name: shop
  register: traffic

- name: Say it
  ansible.builtin.debug:
    msg: "{{ traffic.live }} runs {{ traffic.colours[traffic.live].version }}"
"""

RETURN = r"""
live:
  description: The colour with all the weight, during a shift the one it began from; empty when that is undecided.
  type: str
  returned: success
  sample: blue
shifting:
  description: Whether both colours have weight.
  type: bool
  returned: success
previous:
  description: The colour before the newest shift; empty when no shift is recorded.
  type: str
  returned: success
  sample: blue
weights:
  description: Weights in percent; those of the first rule when the rules differ.
  type: dict
  returned: success
  sample: {blue: 95, green: 5}
even:
  description: Whether all rules of the entry have the same weights.
  type: bool
  returned: success
shift:
  description: The newest shift as recorded on the entry, with the versions at that time; empty when there is none.
  type: dict
  returned: success
  sample: {from: blue, to: green, versions: {blue: 1.3.2, green: 1.4.0}}
accepted:
  description: Whether the data plane has accepted the entry as it is.
  type: bool
  returned: success
colours:
  description: Per colour its Service, whether that exists, the version it says it runs, and the pods ready behind it.
  type: dict
  returned: success
  sample:
    blue: {service: shop-blue, exists: true, version: 1.3.2, endpoints: [shop-blue-5d8f-x2x4q]}
    green: {service: shop-green, exists: true, version: 1.4.0, endpoints: [shop-green-7c9b-9kq2m]}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import ENTRY_OPTIONS, Entry, colour_services
from ansible_collections.runbook.release.plugins.module_utils.traffic.observe import observe_entry


def main() -> None:
    spec = ArgumentSpec({"namespace": {"type": "str", "required": True}, "name": {"type": "str"}}).merge(
        ArgumentSpec(ENTRY_OPTIONS), kube_argument_spec()
    )
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    with failing_cleanly(module):
        params = module.params
        entry = Entry.of(params["entry"], params["namespace"], params["port"])
        services = colour_services(params["name"] or entry.name, params["services"])
        module.exit_json(changed=False, **observe_entry(kube_client(module), entry, services).report())


if __name__ == "__main__":
    main()
