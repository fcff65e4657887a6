# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""How Helm is told to change what it has rendered before it installs it: Helm 3 takes a program, Helm 4 a plugin."""

from __future__ import annotations

import inspect
import json
import os
import sys
import typing as t

from . import patch_stream
from .access import write_private

PLUGIN = "runbook-release-patch"
FLAG = "--post-renderer"


def program(folder: str, patches: patch_stream.Patches) -> list[str]:
    """The program and its argument, both in the private ``folder``."""
    text = write_private(os.path.join(folder, "patch_stream.py"), inspect.getsource(patch_stream))
    return [sys.executable, text, write_private(os.path.join(folder, "patches.json"), json.dumps(patches))]


def by_program(command: t.Sequence[str]) -> list[str]:
    """The arguments of Helm 3."""
    arguments = [FLAG, command[0]]
    for argument in command[1:]:
        arguments += [f"{FLAG}-args", argument]
    return arguments


def by_plugin(folder: str, command: t.Sequence[str], known: str) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment of Helm 4; ``known`` is where it looks for plugins already."""
    plugins = os.path.join(folder, "plugins")
    os.makedirs(os.path.join(plugins, PLUGIN), mode=0o700)
    plugin = {
        "apiVersion": "v1",
        "type": "postrenderer/v1",
        "name": PLUGIN,
        "version": "1.0.0",
        "runtime": "subprocess",
        "runtimeConfig": {"platformCommand": [{"command": command[0], "args": list(command[1:])}]},
    }
    write_private(os.path.join(plugins, PLUGIN, "plugin.yaml"), json.dumps(plugin))
    return [FLAG, PLUGIN], {"HELM_PLUGINS": os.pathsep.join(filter(None, (plugins, known)))}
