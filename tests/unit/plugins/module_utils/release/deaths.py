# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that dies at any of its writes to the API server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.kube.transport import Request

from .api import Api


class Death(BaseException):
    """The process is gone: nothing of it runs any more."""


def dies(api: Api, doing: Callable[[], Any], writes: int, answered: bool) -> bool:
    """Let ``doing`` die at a write, before or after that took effect; whether it got as far as there."""
    left = writes

    def trouble(request: Request) -> SimpleNamespace | None:
        nonlocal left
        left -= request.method != "GET"
        if left > 0 or (request.method == "GET" and not died):
            return None
        if left == 0 and answered and not died:
            api.handle(request)
        died.append(request.path)
        raise Death

    died: list[str] = []
    api.trouble = trouble
    try:
        doing()
    except Death:
        pass
    finally:
        api.trouble = lambda request: None
    return bool(died)


def deaths(doing: Callable[[Api], Callable[[], Any]]) -> Iterator[Api]:
    """A cluster for each write at which it may have died, and for each how that write ended."""
    for answered in (False, True):
        for writes in range(1, 100):
            api = Api()
            if not dies(api, doing(api), writes, answered):
                assert writes > 3
                break
            yield api
