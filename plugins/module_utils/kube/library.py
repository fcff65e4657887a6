# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the ``kubernetes`` library that reads configurations, without the models its packages load.

``import kubernetes`` loads every API and every model, half a second of processor in each module that is run. Only the
files that read a kubeconfig are needed, so they are loaded between two empty packages, and the names are free again
afterwards: who imports the library later gets all of it.
"""

from __future__ import annotations

import sys
import threading
import typing as t
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_LOADING = threading.Lock()
_LOADED: list[Library] = []


class Library(t.NamedTuple):
    """What is used of it; ``config`` is the package ``kubernetes.config``."""

    config: t.Any
    Configuration: t.Any


def library() -> Library:
    """The library's configuration; ``ImportError`` where it is not installed."""
    with _LOADING:
        if not _LOADED:
            _LOADED.append(_whole() if "kubernetes" in sys.modules else _part())
        return _LOADED[0]


def _whole() -> Library:
    return Library(import_module("kubernetes.config"), import_module("kubernetes.client").Configuration)


def _part() -> Library:
    spec = find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        return _whole()
    try:
        return _between_empty_packages(list(spec.submodule_search_locations))
    except (ImportError, AttributeError):
        return _whole()


def _between_empty_packages(places: list[str]) -> Library:
    package, client = ModuleType("kubernetes"), ModuleType("kubernetes.client")
    package.__path__ = places
    client.__path__ = [f"{place}/client" for place in places]
    sys.modules.update({package.__name__: package, client.__name__: client})
    try:
        configuration = import_module("kubernetes.client.configuration").Configuration
        vars(client).update(Configuration=configuration, ApiClient=_api_client)
        return Library(import_module("kubernetes.config"), configuration)
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "kubernetes"]:
            del sys.modules[name]


def _api_client(configuration: t.Any) -> t.Any:
    """A token of an OpenID provider is refreshed by a request of the library's own."""
    return import_module("kubernetes.client").ApiClient(configuration)
