# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the variables of every host of an inventory as a play would see them, as JSON.

Usage: templated_inventory.py INVENTORY EXTRA, where EXTRA is a JSON object that beats every other variable. This is a
process of its own, because Ansible's plugin loader takes over how a process imports collections.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

READ = ("release_", "criteria_", "task_")


def variables_of(source: str, extra: dict[str, Any]) -> dict[str, Any]:
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[source])
    manager = VariableManager(loader=loader, inventory=inventory)
    return {host.name: _templated(loader, manager.get_vars(host=host) | extra) for host in inventory.get_hosts()}


def _templated(loader: DataLoader, variables: dict[str, Any]) -> dict[str, Any]:
    templar = Templar(loader, variables=variables)
    return {name: templar.template(value) for name, value in sorted(variables.items()) if name.startswith(READ)}


if __name__ == "__main__":
    init_plugin_loader()
    json.dump(variables_of(sys.argv[1], json.loads(sys.argv[2])), sys.stdout)
