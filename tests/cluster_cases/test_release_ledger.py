# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger on a real API server: many operators at once, someone who edits it, a disk that is full."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict, Invalid, Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP, NAMESPACE
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft, Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import CHUNK_LIMIT, ENTRY_LIMIT, Store
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify

SPACE = "ledger-case"
TESTS = Path(__file__).resolve().parents[1]
RUN = "import conftest; from ansible_collections.runbook.release.plugins.modules.release_ledger import main; main()"
APPENDERS = 10
EACH = 5
FULL_DISK = 'mount -t tmpfs -o size=4096 none "$1" && head -c 4096 /dev/zero > "$1/filler"; shift; exec "$@"'
Obj = dict[str, Any]


@pytest.fixture(scope="module")
def client() -> Iterator[KubeClient]:
    own = KubeClient()
    own.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    yield own
    own.delete(NAMESPACE, SPACE)


@pytest.fixture
def store(client: KubeClient, request: pytest.FixtureRequest) -> Store:
    """A ledger of its own for every test."""
    return Store(client, SPACE, f"r-{abs(hash(request.node.name))}-{time.time_ns()}")


def draft(what: str, after: Any = None, fence: int = 0) -> Draft:
    return Draft(what, None, after, "ops@case", fence)


def chunks(client: KubeClient, store: Store) -> list[Obj]:
    found = client.list(CONFIGMAP, SPACE, labels=f"runbook.release/ledger={store.release}")
    return sorted(found, key=lambda chunk: int(chunk["metadata"]["name"].rpartition("-")[2]))


def run(store: Store, *prefix: str, **options: Any) -> Obj:
    """Run the module as Ansible would: its result."""
    arguments = {"ANSIBLE_MODULE_ARGS": {"namespace": SPACE, "release": store.release, **options}}
    done = subprocess.run(
        [*prefix, sys.executable, "-c", RUN],
        check=False,
        cwd=TESTS,
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_concurrent_appenders_share_one_chain(store: Store) -> None:
    start = threading.Barrier(APPENDERS)

    def write(appender: int) -> list[Entry]:
        own = Store(KubeClient(), SPACE, store.release)
        start.wait()
        return [own.append(draft(f"appender {appender}, entry {number}")) for number in range(EACH)]

    with ThreadPoolExecutor(APPENDERS) as pool:
        written = [entry for entries in pool.map(write, range(APPENDERS)) for entry in entries]
    texts = store.texts()
    assert verify(store.release, texts) == []
    assert sorted(entry.text for entry in written) == sorted(texts)
    assert [Entry.parse(text).number for text in texts] == list(range(1, APPENDERS * EACH + 1))


def test_concurrent_modules_share_one_chain_and_its_mirror(store: Store, tmp_path: Path) -> None:
    def write(appender: int) -> Obj:
        return run(store, entry={"what": f"module {appender}"}, mirror=str(tmp_path / "mirror"))

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(write, range(APPENDERS)))
    assert sorted(result["entry"]["number"] for result in results) == list(range(1, APPENDERS + 1))
    found = run(store, state="verified", mirror=str(tmp_path / "mirror"))
    assert (found["entries"], found["findings"]) == (APPENDERS, [])
    assert (tmp_path / "mirror" / "ledger.jsonl").read_text().splitlines() == store.texts()


def test_full_and_sealed_chunks_cannot_be_edited(client: KubeClient, store: Store) -> None:
    large = "x" * (ENTRY_LIMIT - 1024)
    for number in range(10):
        store.append(draft(f"step {number}", large))
    entry, _new = store.seal("ops@case", 0)
    assert entry.number == 11
    assert [bool(chunk["immutable"]) for chunk in chunks(client, store)] == [True, True]
    assert max(sum(map(len, chunk["data"].values())) for chunk in chunks(client, store)) <= CHUNK_LIMIT
    for chunk in chunks(client, store):
        with pytest.raises(Invalid, match="immutable"):
            client.merge_patch(CONFIGMAP, chunk["metadata"]["name"], {"data": {"00000001": "edited"}}, SPACE)
    assert verify(store.release, store.texts(), [entry.head]) == []
    with pytest.raises(Refused, match="sealed"):
        store.append(draft("afterwards"))


def test_a_write_for_an_older_state_fails(client: KubeClient, store: Store) -> None:
    store.append(draft("first"))
    (chunk,) = chunks(client, store)
    store.append(draft("second"))
    with pytest.raises(Conflict, match="resourceVersion"):
        store._extend(chunk, Entry.parse(chunk["data"]["00000001"]), "{}")
    assert verify(store.release, store.texts()) == []


def test_an_edit_by_hand_is_found_and_named(client: KubeClient, store: Store) -> None:
    for number in range(1, 6):
        store.append(draft(f"step {number}"))
    head = run(store, state="verified")["head"]
    (chunk,) = chunks(client, store)
    name, data = chunk["metadata"]["name"], chunk["data"]
    for edit, sentence in (
        ({"00000003": data["00000003"].replace("step 3", "step X")}, "entry 3 is altered"),
        ({"00000002": None}, "entry 2 is missing"),
        ({"00000002": data["00000004"], "00000004": data["00000002"]}, "entry 4 is reordered"),
        ({"00000005": None}, "entry 5 is cut off"),
    ):
        client.merge_patch(CONFIGMAP, name, {"data": edit}, SPACE)
        result = run(store, state="verified", pinned=head)
        assert result["failed"]
        assert sentence in result["msg"]
        client.merge_patch(CONFIGMAP, name, {"data": data}, SPACE)
    assert run(store, state="verified", pinned=head)["findings"] == []


def test_a_stale_operator_is_refused(store: Store) -> None:
    run(store, entry={"what": "shift"}, fence=8, who="new@case")
    result = run(store, entry={"what": "shift"}, fence=7)
    assert result["failed"]
    assert "fencing token 7 is stale: new@case went on with 8" in result["msg"]


def test_check_mode_adds_nothing(client: KubeClient, store: Store) -> None:
    for _time in range(2):
        assert run(store, entry={"what": "step"}, _ansible_check_mode=True)["entry"]["number"] == 1
    assert chunks(client, store) == []
    run(store, entry={"what": "step"})
    assert run(store, entry={"what": "step"}, _ansible_check_mode=True)["entry"]["number"] == 2
    assert run(store, state="sealed", _ansible_check_mode=True)["changed"]
    assert len(store.texts()) == 1


def test_a_full_disk_leaves_the_cluster_intact(store: Store, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    in_own_mounts = ["unshare", "--mount", "sh", "-c", FULL_DISK, "sh", str(full)]
    result = run(store, *in_own_mounts, entry={"what": "step", "after": "x" * 8000}, mirror=str(full))
    assert result["failed"]
    assert "No space left on device; the cluster's ledger has entry 1 and is intact" in result["msg"]
    run(store, entry={"what": "step"}, mirror=str(full))
    found = run(store, state="verified", mirror=str(full), pinned=result["head"])
    assert (found["entries"], found["findings"]) == (2, [])


def test_a_release_ends_as_an_archive_without_its_secret(client: KubeClient, store: Store, tmp_path: Path) -> None:
    secret, key = "correct-horse-battery-staple", tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (tmp_path / "allowed").write_text(f"ops@case {key.with_suffix('.pub').read_text()}")
    ours = {"mirror": str(tmp_path / "mirror"), "signing_key": str(key)}
    settings = {"what": f"login {secret}", "before": {"db": {"password": secret}}}
    assert secret not in json.dumps(run(store, entry=settings, secret=["password"], **ours))
    head = run(store, state="sealed", **ours)["head"]
    archive = {**ours, "allowed_signers": str(tmp_path / "allowed"), "target": str(tmp_path / "release.tar.gz")}
    results = [run(store, state="exported", pinned=head, **archive) for _time in range(2)]
    assert [result["changed"] for result in results] == [True, False]
    assert results[0]["signers"] == ["ops@case"]
    shutil.unpack_archive(tmp_path / "release.tar.gz", tmp_path / "unpacked")
    copies = [json.dumps(chunks(client, store))]
    copies += [path.read_text() for folder in ("mirror", "unpacked") for path in (tmp_path / folder).rglob("*.*")]
    assert len(copies) == 6
    assert [copy for copy in copies if secret in copy] == []
