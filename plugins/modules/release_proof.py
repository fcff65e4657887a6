#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_proof
short_description: Require that a version was proven in another environment, with the same images
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads the records that the releases of another environment left, and fails unless they show that the version was
    released there, went live, was not taken back, and recorded which images it ran.
  - Nothing of that is believed without proof. The index of the environment and the ledger of the release have to be
    what was once written, and to agree. With O(proven_in.signers) somebody in that file has to have signed the end.
  - Then it compares what runs here with it. A tag may have been moved to another image since, the digest says so.
  - It changes nothing. As part of a release (O(run)) it records in the ledger what was compared.
options:
  state:
    description:
      - V(verified) finds the proof. Use it before anything is changed.
      - V(compared) holds the images that run here against it. Use it when they run, and before they get traffic.
    type: str
    choices: [verified, compared]
    default: verified
  system:
    description: The system. Required with O(state=verified), like O(version) and O(proven_in).
    type: str
  version:
    description: The version.
    type: str
  proven_in:
    description: Where and how it has to be proven.
    type: dict
    suboptions:
      environment:
        description: The environment, as its inventory calls it in RV(ignore:release_environment).
        type: str
        required: true
      records:
        description:
          - The folder that the releases of that environment have as RV(ignore:release_record), or a copy of it. It has
            a folder for each system, with the mirror C(index), and for each release its mirror or its archive.
          - Every run that changes the system there has to write to it. What is not in it is not known here.
        type: path
        required: true
      within:
        description: How long ago the release may have ended, as in V(90m) or V(14d).
        type: str
        default: 14d
      stood:
        description: How long it has to have been live.
        type: str
        default: "0"
      signers:
        description:
          - File of allowed signers, as C(ssh-keygen) takes it. One of them has to have signed the end of the release.
          - Nobody has to if not set.
        type: path
  images:
    description:
      - The digests that the images of each component are named by, each a list, as the filter
        P(runbook.release.subject#filter) finds them. A component of which none was proven is refused already with
        O(state=verified).
    type: dict
    default: {}
  proof:
    description: What O(state=verified) returned as RV(proof). Required with O(state=compared).
    type: dict
  namespace:
    description: Namespace of the components. Required with O(state=compared), like O(components).
    type: str
  components:
    description: The components, as in O(runbook.release.release_live_info#module:components).
    type: list
    elements: dict
  colours:
    description: Which colour of a component is compared, by its name; the live one if it is not named.
    type: dict
    default: {}
extends_documentation_fragment:
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
  - runbook.release.attributes.info_module
requirements:
  - rfc8785
  - OpenSSH 8.2 or newer, with O(proven_in.signers)
seealso:
  - module: runbook.release.release_live_info
  - module: runbook.release.release_ledger
notes:
  - With O(state=verified) no cluster is asked.
  - An index that was cut off looks like one of an earlier time, and a version that was taken back after that like one
    that is live. Let nobody write to the folder who does not release there.
"""

EXAMPLES = r"""
- name: Require that staging released it, and that it has been live there for a day
  runbook.release.release_proof:
    system: shop
    version: 1.4.0
    proven_in:
      environment: staging
      records: /srv/releases/staging
      within: 14d
      stood: 1d
      signers: /srv/releases/signers/release.allowed_signers
  register: proven

- name: Hold what was brought up against it
  runbook.release.release_proof:
    state: compared
    proof: "{{ proven.proof }}"
    namespace: shop
    components: "{{ release_components }}"
    colours: {shop: green}
"""

RETURN = r"""
proof:
  description: The release that proves the version.
  type: dict
  returned: success
  contains:
    environment:
      description: Where it was.
      type: str
    version:
      description: The version.
      type: str
    release:
      description: Id of the release.
      type: str
    ended:
      description: When it ended.
      type: str
    head:
      description: Number and SHA-256 of the last entry of its sealed ledger.
      type: dict
    signer:
      description: Who signed that; empty if nobody had to.
      type: str
    images:
      description: The images it left live, by component.
      type: dict
  sample:
    environment: staging
    version: 1.4.0
    release: shop-staging-1-4-0-20261120t190000z
    ended: "2026-11-20T19:12:44.120935Z"
    head: {number: 16, sha256: 6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090}
    signer: alice@example.com
    images:
      shop: ["registry.example.com/shop@sha256:6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"]
images:
  description: The images that run here, by component.
  type: dict
  returned: success with O(state=compared)
sentence:
  description: The same for people.
  type: str
  returned: success
  sample: 1.4.0 is proven by shop-staging-1-4-0-20261120t190000z in staging, which ended at 2026-11-20T19:12:44.120935Z.
findings:
  description: Everything that is wrong with the index or the ledger.
  type: list
  elements: dict
  returned: when refused because of it
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.prove import compared, verified
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run

PROVEN_IN: dict[str, Any] = {
    "environment": {"type": "str", "required": True},
    "records": {"type": "path", "required": True},
    "within": {"type": "str", "default": "14d"},
    "stood": {"type": "str", "default": "0"},
    "signers": {"type": "path"},
}


def proof_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["verified", "compared"], "default": "verified"},
            "system": {"type": "str"},
            "version": {"type": "str"},
            "proven_in": {"type": "dict", "options": PROVEN_IN},
            "images": {"type": "dict", "default": {}},
            "proof": {"type": "dict"},
            "namespace": {"type": "str"},
            "components": {"type": "list", "elements": "dict"},
            "colours": {"type": "dict", "default": {}},
        },
        required_if=[
            ("state", "verified", ["system", "version", "proven_in"]),
            ("state", "compared", ["proof", "namespace", "components"]),
        ],
    )


def main() -> None:
    spec = proof_argument_spec().merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    with failing_cleanly(module):
        params = module.params
        if params["state"] == "verified":
            result = verified(params)
        else:
            result = compared(kube_client(module), params, Run.of(params["run"]), module.warn)
        module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
