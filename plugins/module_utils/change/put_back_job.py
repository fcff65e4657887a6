# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The program that puts back what is temporary about one object when its time is over.

It runs in a pod, from a ConfigMap, with nothing but Python 3.9 and its standard library. All it knows is where the
object is: what was, and until when, is in the object's own annotation. So who lengthens or ends it has only that to
change.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from ..release.pod_api import OVERTAKEN, Api, Failure, moment, rehearse, say, seconds_of
from .put_back import CREATED, Obj, marks_of, put_back, records_of, telling, until_of

LONGEST = 30.0
TROUBLED = 5.0
GRACE = 120.0


def watch(api: Any, plan: Obj) -> int:
    """Until nothing is temporary any more; before the first record is seen it waits for one."""
    seen, since = False, time.monotonic()
    say(f"watching {plan['title']}")
    while True:
        try:
            obj, now = api.get(plan["path"])
            records = records_of(obj)
            if not records and (seen or time.monotonic() - since > GRACE):
                say("nothing is temporary any more")
                return 0
            seen = seen or bool(records)
            pause = look(api, plan, obj, now) if records else 1.0
        except Failure as failure:
            if failure.status == 404:
                say("it does not exist any more")
                return 0
            if failure.status not in OVERTAKEN:
                say(str(failure))
            pause = 1.0 if failure.status in OVERTAKEN else TROUBLED
        except ValueError as error:
            say(str(error))
            return 1
        time.sleep(pause)


def look(api: Any, plan: Obj, obj: Obj, now: float) -> float:
    """Put back what is due; seconds until the next look."""
    undone = put_back(obj, lambda record: seconds_of(record["until"]) <= now)
    if not undone.ops:
        return min(LONGEST, max(1.0, seconds_of(until_of(records_of(obj))[0]) - now))
    for made in undone.made:
        remove(api, made)
    api.patch(plan["path"], telling(obj, undone, moment(now)))
    for sentence in [*undone.said, *(f"LEFT ALONE: {one}" for one in undone.left)]:
        say(sentence)
    return 0.0


def remove(api: Any, made: Obj) -> None:
    """An object, if it is still the one that was created for this."""
    try:
        found = api.get(made["path"])[0]
        if marks_of(found).get(CREATED) == made["at"]:
            api.delete(made["path"], found["metadata"]["uid"])
    except Failure as failure:
        if failure.status != 404:
            raise


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_args: os._exit(0))
    with open(arguments[0]) as stream:
        plan = json.load(stream)
    return rehearse(Api(), [plan["path"]]) if "--rehearse" in arguments else watch(Api(), plan)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
