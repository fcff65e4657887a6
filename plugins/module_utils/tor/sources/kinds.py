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


def _logs() -> type[Source]:
    from .logs import Logs

    return Logs


def _k6() -> type[Source]:
    from .reports.k6 import K6

    return K6


def _junit() -> type[Source]:
    from .reports.junit import Junit

    return Junit


def _coverage() -> type[Source]:
    from .reports.coverage import Coverage

    return Coverage


def _trivy() -> type[Source]:
    from .reports.trivy import Trivy

    return Trivy


def _licences() -> type[Source]:
    from .reports.licences import Licences

    return Licences


def _sonarqube() -> type[Source]:
    from .sonarqube import Sonarqube

    return Sonarqube


def _model() -> type[Source]:
    from .reports.model import Model

    return Model


def _json() -> type[Source]:
    from .reports.json import Json

    return Json


def _file() -> type[Source]:
    from .file import File

    return File


def _command() -> type[Source]:
    from .command import Command

    return Command


def _judge() -> type[Source]:
    from .judge import Judge

    return Judge


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
    "logs": _logs,
    "k6": _k6,
    "junit": _junit,
    "coverage": _coverage,
    "trivy": _trivy,
    "licences": _licences,
    "sonarqube": _sonarqube,
    "model": _model,
    "json": _json,
    "file": _file,
    "command": _command,
    "judge": _judge,
}
KINDS = tuple(_CLASSES)
