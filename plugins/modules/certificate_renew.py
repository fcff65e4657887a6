#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_renew
short_description: Have a certificate issued anew, and wait until it is
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Asks cert-manager to issue a C(Certificate) anew, as C(cmctl renew) does, and returns once the new one is there.
  - Nothing of it is deleted. The former certificate serves until the new one has taken its place in the Secret, and
    stays when that fails.
  - With O(rehearse) it is only tried. The same certificate is asked of another issuer, into a Secret of its own, and
    both are removed again. The one that serves is not touched.
options:
  name:
    description: Name of the C(Certificate).
    type: str
    required: true
  namespace:
    description: Namespace of the C(Certificate).
    type: str
    required: true
  unless_valid_for:
    description:
      - It is left as it is while it is valid for longer than that, for example V(30 d).
      - If not set, it is renewed each time.
    type: str
  rehearse:
    description:
      - Name of an issuer that is there for trying, such as one of the staging server of an ACME authority. The issuer
        of the certificate itself is refused.
    type: str
  issuer_kind:
    description: Kind of O(rehearse).
    type: str
    choices: [ClusterIssuer, Issuer]
    default: ClusterIssuer
  timeout:
    description: Seconds until the new one has to be there.
    type: int
    default: 300
extends_documentation_fragment:
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: With O(unless_valid_for) it is.
notes:
  - Needs the RBAC verbs C(get), C(list) and C(watch) for C(certificates.cert-manager.io), and C(patch) for
    C(certificates.cert-manager.io/status), in O(namespace). With O(rehearse) it needs C(create) and C(delete) for
    C(certificates.cert-manager.io) and C(delete) for C(secrets) instead of C(patch).
"""

EXAMPLES = r"""
- name: No certificate ends within a month
  runbook.release.certificate_renew:
    name: shop-tls
    namespace: shop
    unless_valid_for: 30 d

- name: Would a new one be issued?
  runbook.release.certificate_renew:
    name: shop-tls
    namespace: shop
    rehearse: letsencrypt-staging

- name: The key has leaked
  runbook.release.certificate_renew:
    name: shop-tls
    namespace: shop
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be, and why.
  type: str
  returned: success
  sample: it was valid for 12 d
before:
  description: The certificate as it was found.
  type: dict
  returned: success, without O(rehearse)
  contains: &certificate
    revision:
      description: How often it was issued.
      type: int
    not_after:
      description: When it ends.
      type: str
    seconds_left:
      description: Seconds it is still valid. None if it was never issued.
      type: int
after:
  description: The certificate as it is.
  type: dict
  returned: success, without O(rehearse)
  contains: *certificate
seconds:
  description: How long it took.
  type: float
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.certificate.rehearse import Issuer, rehearse
from ansible_collections.runbook.release.plugins.module_utils.certificate.renew import Request, operate
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.window.spans import optional


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "unless_valid_for": {"type": "str"},
            "rehearse": {"type": "str"},
            "issuer_kind": {"type": "str", "choices": ["ClusterIssuer", "Issuer"], "default": "ClusterIssuer"},
            "timeout": {"type": "int", "default": 300},
        },
        mutually_exclusive=[("rehearse", "unless_valid_for")],
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        enough = optional("unless_valid_for", params["unless_valid_for"])
        request = Request(params["namespace"], params["name"], enough, params["timeout"])
        client = kube_client(module)
        with journal(client, Run.of(params["run"]), module.warn) as book:
            if params["rehearse"]:
                report = rehearse(client, request, Issuer(params["rehearse"], params["issuer_kind"]), book)
            else:
                report = operate(client, request, book).report()
        module.exit_json(**report)


if __name__ == "__main__":
    main()
