# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Under which terms a release may begin, and the runbook it follows; the twin of the doc fragment ``terms``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ..errors import Refused

_ABOUT = ("title", "id", "version", "revised", "owner", "approver", "review_by")
ABOUT = {
    **{name: {"type": "str"} for name in _ABOUT},
    "references": {"type": "dict"},
    "history": {"type": "list", "elements": "dict"},
}
TERMS = {
    "about": {"type": "dict", "default": {}, "options": ABOUT},
    **{name: {"type": "list", "elements": "dict", "default": []} for name in ("windows", "freezes")},
    **{name: {"type": "dict", "default": {}} for name in ("approvals", "budgets", "rollback", "proven_in")},
    **{name: {"type": "str", "default": ""} for name in ("override", "emergency")},
}


def overdue(about: Mapping[str, Any], today: date) -> str:
    """That the review of the runbook is overdue, or nothing."""
    if not (given := about.get("review_by")):
        return ""
    try:
        review_by = date.fromisoformat(given)
    except ValueError:
        raise Refused(f"{given} is no day", where="release_about.review_by", remedy="write it as 2026-01-31") from None
    if review_by >= today:
        return ""
    return f"The runbook had to be reviewed by {review_by}. Do: have {about.get('owner') or 'its owner'} review it"


def about_text(about: Mapping[str, Any]) -> str:
    """The runbook in one line, or nothing."""
    words = (("", "title"), ("", "id"), ("version ", "version"), ("of ", "revised"), ("kept by ", "owner"))
    told = [f"{before}{about[name]}" for before, name in words if about.get(name)]
    return f"Follows {', '.join(told)}" if told else ""
