#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_repository
short_description: Write the files of a repository to release from
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Writes files below a folder, all at once. C(playbooks/init.yml) begins a repository with it.
  - Files that somebody is meant to go on with (O(yours)) are written when they are missing, and never again.
  - All others are refused, with their names, when they are there with another content, unless O(replace) allows it.
options:
  path:
    description: The folder; made if it is missing.
    type: path
    required: true
  files:
    description: The content of each file, by its path below O(path).
    type: dict
    required: true
  yours:
    description: Those of them that are left alone once they are there.
    type: list
    elements: str
    default: []
  replace:
    description: Whether files that differ may be written over.
    type: bool
    default: false
extends_documentation_fragment:
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - python >= 3.11
"""

EXAMPLES = r"""
- name: Begin a repository
  runbook.release.release_repository:
    path: ~/shop-releases
    files:
      deploy.yml: "{{ lookup('ansible.builtin.file', 'deploy.yml', rstrip=false) }}"
      prod/hosts.yml: "{{ lookup('ansible.builtin.file', 'hosts.yml', rstrip=false) }}"
    yours: [prod/hosts.yml]
"""

RETURN = r"""
written:
  description: The files that were, or in check mode would be, written.
  type: list
  elements: str
  returned: success
  sample: [deploy.yml, prod/hosts.yml]
differing:
  description: The files that differ.
  type: list
  elements: str
  returned: when refused because of them
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import ArgumentSpec, failing_cleanly
from ansible_collections.runbook.release.plugins.module_utils.release.repository import lay_out


def repository_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "path": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
            "yours": {"type": "list", "elements": "str", "default": []},
            "replace": {"type": "bool", "default": False},
        }
    )


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **repository_argument_spec().to_kwargs())
    with failing_cleanly(module):
        params = module.params
        result = lay_out(
            params["path"], params["files"], params["yours"], replace=params["replace"], dry_run=module.check_mode
        )
        module.exit_json(**result)


if __name__ == "__main__":
    main()
