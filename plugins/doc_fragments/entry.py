# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that name an entry; the twin of ``ENTRY_OPTIONS`` in ``module_utils/traffic/entry.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  entry:
    description:
      - The object that decides where traffic goes. It has to exist and to name both colours already.
    type: dict
    required: true
    suboptions:
      kind:
        description:
          - V(service) is a Service whose selector is that of one colour Service; it gives its traffic to one colour.
          - V(httproute) is an HTTPRoute of the Gateway API with both colour Services as back ends; every rule that
            names them has the same weights.
        type: str
        required: true
        choices: [service, httproute]
      name:
        description: Name of the object.
        type: str
        required: true
      namespace:
        description:
          - Namespace of the object and of the colour Services.
          - The namespace of the module if not set.
        type: str
  services:
    description:
      - The colour Services. They always select the pods of their colour and are never switched.
      - The component's name followed by C(-blue) and C(-green) if not set.
    type: dict
    suboptions:
      blue:
        description: Name of the blue Service.
        type: str
        required: true
      green:
        description: Name of the green Service.
        type: str
        required: true
  port:
    description:
      - Port of the back ends to shift, for an HTTPRoute with rules that name a colour Service more than once.
      - All ports if not set.
    type: int
"""
