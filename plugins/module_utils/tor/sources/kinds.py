# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources by kind; each is imported when a criterion names it.

Every import is a statement of its own, because these are how Ansible finds the files a module needs.
"""

from __future__ import annotations

from collections.abc import Callable

from .base import Source


def source_class(kind: str) -> type[Source]:
    return _CLASSES[kind]()


def _http() -> type[Source]:
    from .http import Http

    return Http


def _service() -> type[Source]:
    from .service import Service

    return Service


def _witness() -> type[Source]:
    from .witness import Witness

    return Witness


def _kubernetes() -> type[Source]:
    from .kubernetes import Kubernetes

    return Kubernetes


_CLASSES: dict[str, Callable[[], type[Source]]] = {
    "http": _http,
    "service": _service,
    "witness": _witness,
    "kubernetes": _kubernetes,
}
KINDS = tuple(_CLASSES)
