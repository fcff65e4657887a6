# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A Helm operation of a release, tried again while the API server is away: Helm itself gives up at the first error."""

from __future__ import annotations

import re
import typing as t

from ..errors import ReleaseError
from ..kube.backoff import Backoff, Pacing
from ..kube.transport import RUN_PATIENCE
from .record import mark_failed, revisions

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient

_PASSING = re.compile(
    r"connection re(?:fused|set)|connection lost|\bEOF\b|i/o timeout|handshake timeout|deadline exceeded"
    r"|awaiting headers|cluster unreachable|internal ?error|too many requests|service ?unavailable|etcdserver"
    r"|currently unable to handle|unable to return a response|another operation .* is in progress",
    re.IGNORECASE,
)


def persist(
    client: KubeClient,
    namespace: str,
    release: str,
    operation: t.Callable[[], object],
    pacing: Pacing | None = None,
) -> None:
    """Run ``operation`` until it succeeds, fails for a reason that does not pass, or patience ends.

    Only under the guard of a release: the revision a failed attempt left pending has no other owner.
    """
    backoff = Backoff(pacing or Pacing())
    while True:
        client.check_guard()
        try:
            operation()
            return
        except ReleaseError as error:
            passing = _PASSING.search(str(error.details.get("stderr", "")))
            if not passing or not backoff.wait(RUN_PATIENCE):
                raise
        for newest in revisions(client, namespace, [release])[release][:1]:
            if newest.pending:
                mark_failed(client, namespace, newest)
