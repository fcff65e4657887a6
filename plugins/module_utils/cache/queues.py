# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of queues of tasks: no cache, and lost for good when they are removed. Pure."""

from __future__ import annotations

import re

QUEUES = {
    "Celery": rb"celery(\x06\x16\d)?|unacked(_index|_mutex)?(\x06\x16\d)?|_kombu\..*|celery-task-meta-.*"
    rb"|.*\.reply\.celery\.pidbox|celeryev.*",
    "RQ": rb"rq:.*",
    "Bull": rb"bull(mq)?:.*|bq:.*",
    "Sidekiq or Resque": rb"queues?|queue:.*|retry|schedule|dead|resque:.*",
    "Laravel": rb"queues:.*|laravel_database_queues:.*",
    "arq, Dramatiq, Huey or TaskIQ": rb"arq:.*|dramatiq:.*|huey\..*|taskiq:.*",
}
_NAMES = list(QUEUES)
_ANY = re.compile(b"|".join(b"(?P<q%d>%s)" % (place, one) for place, one in enumerate(QUEUES.values())), re.DOTALL)


def queue_of(key: bytes) -> str:
    """Whose queue a key with such a name belongs to, empty if it looks like none."""
    found = _ANY.fullmatch(key)
    if found is None:
        return ""
    return next(name for place, name in enumerate(_NAMES) if found[f"q{place}"] is not None)


def means_everything(pattern: str) -> bool:
    """Whether a pattern leaves nothing out: it has no character that stands for itself."""
    return not re.sub(r"(?<!\\)(?:\*|\?|\[(?:\\.|[^\]])*\]?)", "", pattern)
