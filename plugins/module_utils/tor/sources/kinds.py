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


def _prometheus() -> type[Source]:
    from .prometheus import Prometheus

    return Prometheus


def _sql() -> type[Source]:
    from .sql import Sql

    return Sql


def _redis() -> type[Source]:
    from .redis import Redis

    return Redis


def _exec() -> type[Source]:
    from .exec import Exec

    return Exec


def _alertmanager() -> type[Source]:
    from .alertmanager import Alertmanager

    return Alertmanager


def _opensearch() -> type[Source]:
    from .opensearch import OpenSearch

    return OpenSearch


def _grafana() -> type[Source]:
    from .grafana import Grafana

    return Grafana


_CLASSES: dict[str, Callable[[], type[Source]]] = {
    "http": _http,
    "service": _service,
    "witness": _witness,
    "kubernetes": _kubernetes,
    "prometheus": _prometheus,
    "sql": _sql,
    "redis": _redis,
    "exec": _exec,
    "alertmanager": _alertmanager,
    "opensearch": _opensearch,
    "grafana": _grafana,
}
KINDS = tuple(_CLASSES)
