#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_live_info
short_description: Tell what is live of a system, down to the digests of its images
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads which colour of each component is live, which version that provably runs, and which images its pods really
    run. Of a component that rolls it reads what its workloads run now.
  - Images are told by the digest that the node resolved their names to. So two environments can be compared even where
    an image is named by a tag.
  - Containers that something else put into a pod, such as the proxy of a service mesh, are left out.
options:
  namespace:
    description: Namespace of the components.
    type: str
    required: true
  components:
    description:
      - The components, each with C(name), C(entry) and, if they are not the usual ones, C(services) and C(port). A
        component that rolls has C(workloads) and C(source) instead. The variable RV(ignore:release_components) can be
        given as it is.
    type: list
    elements: dict
    required: true
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.attributes
  - runbook.release.attributes.info_module
seealso:
  - module: runbook.release.release_proof
  - module: runbook.release.helm_bluegreen_info
notes:
  - Needs the RBAC verb C(list) for C(pods) and for the workloads in O(namespace), and what
    M(runbook.release.helm_bluegreen_info) needs.
"""

EXAMPLES = r"""
- name: See what is live
  runbook.release.release_live_info:
    namespace: shop
    components: "{{ release_components }}"
  register: live

- name: Say it
  ansible.builtin.debug:
    msg: "{{ live.components | dict2items | map(attribute='value.version') | unique | join(', ') }}"
"""

RETURN = r"""
components:
  description: Each component by its name, all empty while nothing is live.
  type: dict
  returned: success
  contains:
    colour:
      description: The live colour; empty for what rolls.
      type: str
    version:
      description: The version it runs.
      type: str
    images:
      description:
        - The images of its containers, as C(repository@sha256:...), or the digest alone where the node knows no more.
        - A container that has not said what it runs is told by the name of its image.
      type: list
      elements: str
  sample:
    shop:
      colour: blue
      version: 1.4.0
      images: ["registry.example.com/shop@sha256:6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"]
images:
  description: The images alone.
  type: dict
  returned: success
  sample:
    shop: ["registry.example.com/shop@sha256:6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.components import COMPONENTS_OPTION
from ansible_collections.runbook.release.plugins.module_utils.release.live import look


def live_argument_spec() -> ArgumentSpec:
    return ArgumentSpec({"namespace": {"type": "str", "required": True}, "components": COMPONENTS_OPTION})


def main() -> None:
    spec = live_argument_spec().merge(kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    with failing_cleanly(module):
        found = look(kube_client(module), module.params["namespace"], module.params["components"])
        module.exit_json(
            changed=False,
            components={name: one.report() for name, one in found.items()},
            images={name: list(one.images) for name, one in found.items() if one.images},
        )


if __name__ == "__main__":
    main()
