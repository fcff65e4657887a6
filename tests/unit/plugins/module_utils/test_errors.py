# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import (
    ApiError,
    Conflict,
    Forbidden,
    NotReady,
    Refused,
    ReleaseError,
)


def test_the_text_says_what_where_and_what_to_do():
    error = ReleaseError("green is not ready", where="Deployment shop/web", remedy="look at its logs.", seconds=3)
    assert str(error) == "green is not ready. Where: Deployment shop/web. Do: look at its logs."
    assert error.details == {"seconds": 3}


def test_the_text_of_what_alone():
    assert str(Refused("no such entry!")) == "no such entry!"


def test_api_errors_say_what_was_asked():
    error = Conflict("changed", status=409, verb="patch", object="Service shop/web", remedy="run again", managers=["x"])
    assert error.details == {"api": {"status": 409, "verb": "patch", "object": "Service shop/web"}, "managers": ["x"]}


@pytest.mark.parametrize("kind", [ApiError, Conflict, Forbidden, NotReady, Refused])
def test_everything_is_a_release_error(kind):
    assert issubclass(kind, ReleaseError)
