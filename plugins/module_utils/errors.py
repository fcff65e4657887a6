# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error a module may end with: what happened, where, and what to do about it."""

from __future__ import annotations

import typing as t


class ReleaseError(Exception):
    """A failure with a sentence for the operator; ``details`` become keys of the module's result.

    ``record`` says it without the words of others (logs, output), which may hold secrets, for what is kept for good.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "", record: str = "", **details: t.Any) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy
        self.record = record or what
        self.details: dict[str, t.Any] = details

    def __str__(self) -> str:
        sentences = [self.what]
        if self.where:
            sentences.append(f"Where: {self.where}")
        if self.remedy:
            sentences.append(f"Do: {self.remedy}")
        return " ".join(_sentence(text) for text in sentences)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."


class Refused(ReleaseError):
    """A guard said no before anything was changed."""


class NotReady(ReleaseError):
    """Something did not become ready; the evidence is in ``details``."""


class ApiError(ReleaseError):
    """The API server answered with an error, or not at all (``status`` 0).

    ``uncertain`` says that an earlier attempt of the same request got no answer and may have taken effect.
    """

    uncertain = False

    def __init__(
        self,
        what: str,
        *,
        status: int = 0,
        verb: str = "",
        object: str = "",
        where: str = "",
        remedy: str = "",
        **details: t.Any,
    ) -> None:
        details["api"] = {"status": status, "verb": verb, "object": object}
        super().__init__(what, where=where, remedy=remedy, **details)
        self.status = status
        self.verb = verb
        self.object = object


class Conflict(ApiError):
    """Someone else changed the object: 409, 412, or a failed ``test`` of a JSON patch."""


class NotFound(ApiError):
    """The object, its namespace or its kind does not exist."""


class Unauthorized(ApiError):
    """The credentials were not accepted."""


class Forbidden(ApiError):
    """The credentials were accepted, the permission is missing; ``remedy`` names the RBAC rule."""


class Invalid(ApiError):
    """The API server understood the request and rejected its content."""


class Unreachable(ApiError):
    """No answer from the cluster: kubeconfig, address, certificate or network."""
