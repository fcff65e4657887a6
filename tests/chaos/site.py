# SPDX-License-Identifier: GPL-3.0-or-later
"""The system under test as the API server and its users see it: ledgers, traffic, lock, answers."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    CONFIGMAP,
    DEPLOYMENT,
    HTTPROUTE,
    LEASE,
)
from ansible_collections.runbook.release.plugins.module_utils.kube.watch import Watch
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry, Head
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import LABEL
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify
from ansible_collections.runbook.release.plugins.module_utils.lock.record import Record
from ansible_collections.runbook.release.plugins.module_utils.witness.run import Witness
from ansible_collections.runbook.release.plugins.module_utils.witness.spec import spec_from

from .operators import SYSTEM, Operator

NAMESPACE = SYSTEM
VERSIONS = ("6.9.2", "6.9.3", "6.9.6")
HOST = "podinfo.local"
PATIENCE = 300.0
ASKED = 20
Obj = dict[str, Any]


@dataclass(frozen=True)
class View:
    """The system at one moment: the texts of each ledger in their order, and the weight of each colour."""

    ledgers: Mapping[str, list[str]]
    weights: Mapping[str, int]

    @classmethod
    def of(cls, chunks: list[Obj], routes: list[Obj]) -> View:
        ledgers: dict[str, list[str]] = {}
        for chunk in sorted(chunks, key=lambda one: int(one["metadata"]["name"].rpartition("-")[2])):
            texts = [text for _key, text in sorted((chunk.get("data") or {}).items())]
            ledgers.setdefault(chunk["metadata"]["labels"][LABEL], []).extend(texts)
        refs = [ref for route in routes for ref in route["spec"]["rules"][0]["backendRefs"]]
        return cls(ledgers, {ref["name"].rpartition("-")[2]: ref.get("weight", 1) for ref in refs})

    @property
    def index(self) -> list[Entry]:
        return [Entry.parse(text) for name, texts in self.ledgers.items() if name.endswith("-index") for text in texts]

    def entries(self, release: str) -> list[Entry]:
        return [Entry.parse(text) for text in self.ledgers.get(release, [])]

    def whats(self, release: str) -> list[str]:
        return [entry.what for entry in self.entries(release)]

    @property
    def newest(self) -> str:
        """The release the index began last."""
        return next((entry.after["release"] for entry in reversed(self.index) if entry.what == "begun"), "")

    def end(self, release: str) -> Obj:
        """What the index says of its end; nothing before that."""
        ended = (entry.after for entry in self.index if entry.what == "ended")
        return next((after for after in ended if after["release"] == release), {})

    def findings(self) -> list[str]:
        """What is wrong with any ledger; the index is the pin that shows a cut tail."""
        return [
            f"{release}: {finding.sentence}"
            for release, texts in self.ledgers.items()
            for finding in verify(release, texts, self._pins(release))
        ]

    def _pins(self, release: str) -> list[Head]:
        end = self.end(release)
        return [Head(**end["head"])] if end else []


class Site:
    """The namespace of the system."""

    def __init__(self) -> None:
        self.client = KubeClient()

    def view(self) -> View:
        chunks = self.client.list(CONFIGMAP, NAMESPACE, labels=LABEL)
        return View.of(chunks, self.client.list(HTTPROUTE, NAMESPACE))

    def until(self, holds: Callable[[View], bool], operator: Operator) -> View:
        """Watch until it holds; that it still does not when the operator's run is over is a failure."""
        over = operator.ended
        watched = [Watch(CONFIGMAP, NAMESPACE, LABEL), Watch(HTTPROUTE, NAMESPACE)]
        for snapshot in self.client.watch(watched, time.monotonic() + PATIENCE):
            view = View.of(*(list(snapshot.objects[watch.kind].values()) for watch in watched))
            if holds(view):
                return view
            if over and not snapshot.changed:
                break
            over = operator.ended
        raise AssertionError(f"it never came to that:\n{operator.said[-6000:]}")

    def holder(self) -> str:
        """Who holds the lock of the system."""
        return ", ".join(record.holder for record in map(Record.of, self.leases()) if record.holder)

    def leases(self) -> list[Obj]:
        return self.client.list(LEASE, NAMESPACE)

    def live(self) -> str:
        """The version that answers on every new connection; several when they do not agree."""
        return " and ".join(sorted({_version() for _time in range(ASKED)}))

    def next_version(self) -> str:
        """A version that neither side runs, so that a release of it has everything to do."""
        deployments = self.client.list(DEPLOYMENT, NAMESPACE)
        images = [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in deployments]
        present = {image.rpartition(":")[2] for image in images}
        return next(version for version in VERSIONS if version not in present)

    def trouble(self, users: OwnWitness) -> list[str]:
        """What is wrong after a release is over, whichever way it went."""
        view = self.view()
        wrong = [users.complaint, *view.findings()]
        wrong += [f"{holder} still holds the lock" for holder in filter(None, [self.holder()])]
        if sorted(view.weights.values()) != [0, 100]:
            wrong.append(f"the traffic is divided: {view.weights}")
        if not view.end(view.newest):
            wrong.append(f"release {view.newest} has not ended")
        return list(filter(None, wrong))

    def is_settled(self) -> bool:
        """Whether a test may begin: everything ended well, and one side has all the traffic."""
        view = self.view()
        whole = sorted(view.weights.values()) == [0, 100] and not view.findings() and not self.holder()
        return whole and bool(view.end(view.newest)) and self.live() in VERSIONS


def _version() -> str:
    gateway = http.client.HTTPConnection(os.environ["GATEWAY_ADDRESS"], int(os.environ["GATEWAY_HTTP_PORT"]), timeout=5)
    try:
        gateway.request("GET", "/version", headers={"Host": HOST})
        return str(json.loads(gateway.getresponse().read())["version"])
    finally:
        gateway.close()


class OwnWitness:
    """A witness that belongs to no release; what became of every request while the block ran."""

    def __init__(self, folder: Path, versions: tuple[str, ...]) -> None:
        address, port = os.environ["GATEWAY_ADDRESS"], os.environ["GATEWAY_HTTP_PORT"]
        web = {"address": address}
        secure = {"address": address, "ca_cert": os.environ["GATEWAY_CA"]}
        self._witness = Witness(folder)
        self._spec = spec_from(
            {
                "urls": [
                    {"url": f"http://{HOST}:{port}/version", **web},
                    {"url": f"https://{HOST}:{os.environ['GATEWAY_HTTPS_PORT']}/version", **secure},
                ],
                "stream_url": {"url": f"http://{HOST}:{port}/chunked/5", **web},
                "identity": {"json": "version"},
                "versions": versions,
                "rate": 100,
                "timeout": 5000,
                "duration": 900,
            }
        )
        self.report: Obj = {}

    @contextmanager
    def asking(self) -> Iterator[OwnWitness]:
        self._witness.start(self._spec, os.environ["K6"])
        try:
            yield self
        finally:
            self._witness.stop()
            self.report = self._witness.report()

    @property
    def requests(self) -> int:
        return int(self.report["requests"])

    @property
    def complaint(self) -> str:
        """Empty when every request got its answer."""
        return "" if self.report["verdict"] == "pass" else str(self.report["reason"])
