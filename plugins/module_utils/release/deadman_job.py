# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The dead man's program: gives the traffic back when the lock of a release was not renewed in time.

It runs in a pod, from a ConfigMap, with nothing but Python 3.9 and its standard library, and knows the cluster by its
service account. No clock but the API server's is read: time is the ``Date`` of the very answer that carried the Lease.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import uuid
from typing import Any

from .pod_api import ATTEMPTS, OVERTAKEN, Api, Failure, mark_path, moment, rehearse, say, seconds_of, value_at

Obj = dict[str, Any]

TOKEN, CLAIM, TAKEN_OVER = "runbook.release/token", "runbook.release/claim", "runbook.release/taken-over"
SHIFT, FENCE = "runbook.release/shift", "runbook.release/fence"
WAIT, LEAVE, TAKE, GO_ON = "wait", "leave", "take", "go on"


def holder_of(plan: Obj) -> str:
    return f"dead-man {plan['release']}"


def judge(lease: Obj, plan: Obj, now: float) -> tuple[str, str]:
    """What the Lease calls for, and why."""
    said, spec = lease["metadata"].get("annotations") or {}, lease.get("spec") or {}
    token, holder = int(said.get(TOKEN) or 0), spec.get("holderIdentity") or ""
    taken = json.loads(said.get(TAKEN_OVER) or "{}")
    if holder == holder_of(plan) and taken.get("token") == plan["token"]:
        return GO_ON, "the lock is already mine"
    if token != plan["token"]:
        return LEAVE, f"the lock was acquired anew with token {token}" + (f" by {holder}" if holder else "")
    if not holder:
        return LEAVE, "the lock was released"
    ttl = int(spec["leaseDurationSeconds"])
    if int(now) - seconds_of(spec["renewTime"]) > ttl:
        return TAKE, f"{holder} has not renewed the lock for more than {ttl} s"
    return WAIT, f"{holder} holds the lock"


def takeover(lease: Obj, plan: Obj, now: float) -> list[Obj]:
    """The patch that makes the lock ours, if nobody wrote the Lease meanwhile."""
    spec, mine = lease["spec"], holder_of(plan)
    why = f"not renewed for more than {spec['leaseDurationSeconds']} s"
    record = {"from": spec["holderIdentity"], "token": plan["token"], "by": mine, "why": why, "at": moment(now)}
    marks = {
        TOKEN: str(plan["token"] + 1),
        CLAIM: str(uuid.uuid4()),
        TAKEN_OVER: json.dumps(record, sort_keys=True, separators=(",", ":")),
    }
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": lease["metadata"]["resourceVersion"]},
        *({"op": "add", "path": mark_path(name), "value": text} for name, text in marks.items()),
        {"op": "add", "path": "/spec", "value": held(mine, plan["ttl"], now)},
    ]


def release(plan: Obj, now: float) -> list[Obj]:
    """The patch that lets others acquire the lock, if it is still ours."""
    return [
        {"op": "test", "path": mark_path(TOKEN), "value": str(plan["token"] + 1)},
        {"op": "add", "path": "/spec", "value": held("", plan["ttl"], now)},
    ]


def held(holder: str, ttl: int, now: float) -> Obj:
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(now))
    return {"holderIdentity": holder, "leaseDurationSeconds": ttl, "acquireTime": at, "renewTime": at}


def way_back(obj: Obj, entry: Obj, plan: Obj) -> tuple[list[Obj], str]:
    """The patch that gives an entry's traffic back, empty if it is to be left alone; and a sentence."""
    marks, now = obj["metadata"].get("annotations") or {}, [value_at(obj, one["path"]) for one in entry["back"]]
    if now == [one["value"] for one in entry["back"]]:
        return [], "all its traffic is where it was"
    if int(marks.get(FENCE) or 0) > plan["token"]:
        return [], f"it was changed under a newer token, {marks[FENCE]}; left alone"
    if any(value_at(obj, one["path"]) != one["value"] for one in entry["still"]):
        return [], "somebody changed its rules; left alone"
    if not (is_shift(marks.get(SHIFT, ""), entry["shift"]) and all(map(is_between, entry["back"], now))):
        return [], "somebody else moved its traffic; left alone"
    seen = [one["path"] for one in entry["back"]] + [mark_path(name) for name in (SHIFT, FENCE) if name in marks]
    tests = entry["still"] + [{"op": "test", "path": path, "value": value_at(obj, path)} for path in seen]
    writes = [{"op": "add", "path": one["path"], "value": one["value"]} for one in entry["back"]]
    writes.append({"op": "add", "path": mark_path(FENCE), "value": str(plan["token"] + 1)})
    return tests + writes, "its traffic is given back to " + entry["shift"]["from"]


def is_shift(text: str, shift: Obj) -> bool:
    """Whether the entry records a shift between these colours."""
    try:
        said = json.loads(text)
        return bool((said["from"], said["to"]) == (shift["from"], shift["to"]))
    except (ValueError, KeyError, TypeError):
        return False


def is_between(step: Obj, now: Any) -> bool:
    """Whether a step of the shift can have left this value: a weight on the way, or the other colour's selector."""
    start, end = step["value"], step["given"]
    if isinstance(now, int) and isinstance(start, int) and isinstance(end, int):
        return min(start, end) <= now <= max(start, end)
    return bool(now in (start, end))


def give_back(api: Any, plan: Obj) -> bool:
    """Every entry, the last one first; whether nothing is left to do."""
    given = [restored(api, entry, plan) for entry in reversed(plan["entries"])]
    return all(given)


def restored(api: Any, entry: Obj, plan: Obj) -> bool:
    for _attempt in range(ATTEMPTS):
        try:
            ops, sentence = way_back(api.get(entry["path"])[0], entry, plan)
            if ops:
                api.patch(entry["path"], ops)
        except Failure as failure:
            say(f"{entry['title']}: {failure}")
            if failure.status == 404:
                return True
            if failure.status not in OVERTAKEN:
                time.sleep(1)
            continue
        say(f"{entry['title']}: {sentence}")
        return True
    return False


def look(api: Any, plan: Obj) -> str:
    """One look at the lock, and what follows from it."""
    lease, now = api.get(plan["lease"])
    verdict, why = judge(lease, plan, now)
    if verdict == TAKE:
        say(why)
        api.patch(plan["lease"], takeover(lease, plan, now))
        say(f"took the lock over with token {plan['token'] + 1}")
    elif verdict == LEAVE:
        say(f"nothing to do: {why}")
    return GO_ON if verdict == TAKE else verdict


def watch(api: Any, plan: Obj) -> int:
    """Until the lock is somebody else's business, or the traffic is given back."""
    pause, trouble = max(1.0, plan["ttl"] / 4), ""
    say(f"watching the lock of release {plan['release']}, token {plan['token']}, every {pause:g} s")
    while True:
        try:
            verdict = look(api, plan)
            trouble = ""
        except Failure as failure:
            if failure.status == 404:
                say("nothing to do: the Lease does not exist any more")
                return 0
            if failure.status not in OVERTAKEN and str(failure) != trouble:
                trouble = str(failure)
                say(trouble)
            verdict = WAIT
        if verdict == LEAVE:
            return 0
        if verdict == GO_ON:
            return end(api, plan)
        time.sleep(pause)


def end(api: Any, plan: Obj) -> int:
    if not give_back(api, plan):
        say("NOT ALL TRAFFIC COULD BE GIVEN BACK; trying again")
        return 1
    try:
        api.patch(plan["lease"], release(plan, api.get(plan["lease"])[1]))
    except Failure as failure:
        say(f"the lock could not be released, it expires by itself: {failure}")
    say(f"release {plan['release']} was found dead; its traffic is back where it was before the shift")
    return 0


def written(plan: Obj) -> list[str]:
    """Everything this program may have to write."""
    return [plan["lease"], *(entry["path"] for entry in plan["entries"])]


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_args: os._exit(0))
    with open(arguments[0]) as stream:
        plan = json.load(stream)
    return rehearse(Api(), written(plan)) if "--rehearse" in arguments else watch(Api(), plan)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
