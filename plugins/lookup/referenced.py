# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets by reference: from the environment, a file, a variable of ansible-vault, or HashiCorp Vault."""

from __future__ import annotations

DOCUMENTATION = r"""
name: referenced
short_description: Read secrets where they are kept
version_added: 0.1.0
author:
  - runbook.release contributors (@runbook-release)
description:
  - Returns the value that each reference leads to, on the machine that runs the playbook. An inventory has the
    references, and the values pass through no fact.
options:
  _terms:
    description:
      - References, each a dictionary with exactly one key.
      - C(environment) names a variable of the environment, C(file) a file, whose last line break does not count, and
        C(variable) a variable of the play, which ansible-vault may have encrypted.
      - C(vault) has C(path) and C(key) of a secret in HashiCorp Vault, and the C(mount) (V(secret)) of its version 2
        engine. It is read by C(community.hashi_vault.vault_kv2_get), with the address and the token of the
        environment.
      - C(plain) is the value itself, for what is no secret, such as the name of a user.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: The workloads find the password of the database
  runbook.release.release_secret:
    namespace: shop
    name: database-credentials
    data:
      password: "{{ lookup('runbook.release.referenced', {'environment': 'DATABASE_PASSWORD'}) }}"
      token: "{{ lookup('runbook.release.referenced', {'vault': {'path': 'shop/production', 'key': 'token'}}) }}"
"""

RETURN = r"""
_raw:
  description: The values, in the order of the references.
  type: list
  elements: str
"""

import os
import typing as t
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible_collections.runbook.release.plugins.module_utils.secret.declared import of_reference

Given = t.Mapping[str, t.Any]


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup ``runbook.release.referenced``."""

    def run(self, terms: t.Sequence[t.Any], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        """Errors say which reference leads nowhere, and nothing of a value."""
        self.set_options(var_options=variables, direct=kwargs)
        return [self._value(one, variables) for one in terms]

    def _value(self, reference: t.Any, variables: t.Any) -> str:
        wrong = list(of_reference(reference))
        if wrong:
            raise AnsibleLookupError(f"referenced: this{wrong[0]}")
        place, where = next(iter(reference.items()))
        if place == "plain":
            return str(where)
        found = {"environment": _of_environment, "file": _of_file}.get(place)
        if found:
            return found(where)
        return self._of_vault(where, variables) if place == "vault" else self._of_variable(where, variables)

    def _of_variable(self, name: str, variables: t.Any) -> str:
        if name not in variables:
            raise AnsibleLookupError(f"referenced: there is no variable {name}. Do: keep it with ansible-vault.")
        vars_lookup = lookup_loader.get("ansible.builtin.vars", loader=self._loader, templar=self._templar)
        return str(vars_lookup.run([name], variables)[0])

    def _of_vault(self, where: Given, variables: t.Any) -> str:
        name = "community.hashi_vault.vault_kv2_get"
        read = lookup_loader.get(name, loader=self._loader, templar=self._templar)
        if read is None:
            raise AnsibleLookupError(f"referenced: {name} is not there. Do: install community.hashi_vault and hvac.")
        found = read.run([where["path"]], variables, engine_mount_point=where.get("mount", "secret"))[0]["secret"]
        if where["key"] not in found:
            raise AnsibleLookupError(f"referenced: {where['path']} in Vault has no key {where['key']}.")
        return str(found[where["key"]])


def _of_environment(name: str) -> str:
    if not os.environ.get(name):
        raise AnsibleLookupError(f"referenced: the environment has no {name}. Do: set it where the playbook runs.")
    return os.environ[name]


def _of_file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise AnsibleLookupError(f"referenced: {path} cannot be read: {reason}.") from error
