# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What the programs that run in a pod of their own share: the API server as a pod reaches it, and what they say.

Nothing but Python 3.9 and its standard library. No clock but the API server's is read.
"""

from __future__ import annotations

import calendar
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Any

Obj = dict[str, Any]

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
ATTEMPTS = 10
TIMEOUT = 10.0
OVERTAKEN = (409, 422)


class Failure(Exception):
    """The API server did not do what it was asked for; ``status`` is 0 when it did not answer."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class Api:
    """The API server as a pod reaches it."""

    def __init__(self) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self.base = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        trusted = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt")
        self.opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trusted))

    def get(self, path: str) -> tuple[Obj, float]:
        """The object, and the API server's time in seconds."""
        return self._send("GET", path)

    def patch(self, path: str, ops: list[Obj], dry: bool = False) -> None:
        query = "?fieldManager=runbook.release" + ("&dryRun=All" if dry else "")
        self._send("PATCH", path, ops, query)

    def delete(self, path: str, uid: str) -> None:
        """That very object."""
        self._send("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}})

    def _send(self, method: str, path: str, body: Any = None, query: str = "") -> tuple[Obj, float]:
        with open(f"{ACCOUNT}/token") as stream:
            headers = {
                "Authorization": f"Bearer {stream.read().strip()}",
                "Content-Type": "application/json-patch+json" if method == "PATCH" else "application/json",
            }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path + query, data, headers, method=method)
        try:
            with self.opener.open(request, timeout=TIMEOUT) as answer:
                return json.load(answer), parsedate_to_datetime(answer.headers["Date"]).timestamp()
        except urllib.error.HTTPError as error:
            raise Failure(f"{method} {path}: {error.code} {error.read()[:300]!r}", error.code) from None
        except (OSError, TypeError, ValueError) as error:
            raise Failure(f"{method} {path}: {error}") from None


def rehearse(api: Any, paths: list[str]) -> int:
    """Prove that everything a program may have to write can be written; its exit code."""
    for attempt in range(ATTEMPTS):
        try:
            for path in paths:
                api.get(path)
                api.patch(path, [], dry=True)
        except Failure as failure:
            say(str(failure))
            if attempt < ATTEMPTS - 1:
                time.sleep(1)
            continue
        return 0
    return 1


def say(sentence: str) -> None:
    sys.stdout.write(f"{moment(time.time())} {sentence}\n")
    sys.stdout.flush()


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def seconds_of(text: str) -> int:
    """A moment as the API writes it, cut to whole seconds."""
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def mark_path(name: str) -> str:
    """Where an object has an annotation."""
    return "/metadata/annotations/" + name.replace("~", "~0").replace("/", "~1")


def value_at(obj: Any, path: str) -> Any:
    """The value a JSON pointer leads to; None if there is none."""
    for segment in path.split("/")[1:]:
        key = segment.replace("~1", "/").replace("~0", "~")
        try:
            obj = obj[int(key)] if isinstance(obj, list) else obj[key]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return obj
