# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure backups and restores beside pg_dump and pg_restore themselves into build/bench.jsonl. Never pass or fail.

Usage: build/venv/bin/python tests/bench/postgres.py [--pairs N] [--size MB] [--large MB] [MEASURE ...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from runner import ROOT, Line, commit
from services.postgres import OTHER_MAJOR, Postgres

COLLECTIONS = ROOT / "build" / "collections"
STAND_IN = ROOT / "tests" / "stand_ins" / "database"
COMPRESSION = "zstd:3"
JOBS = 2
TABLES = 4
ROW_BYTES = 170
NAMESPACE = "bench-database"
MEGABYTE = 1 << 20

# A module in a fresh Python, as Ansible runs it; what it takes without Python's start, and the most memory it had.
CHILD = """
import importlib, json, sys, time
from ansible.module_utils.testing import patch_module_args
module = importlib.import_module(f"ansible_collections.runbook.release.plugins.modules.{sys.argv[1]}")
options = json.load(sys.stdin)
began = time.monotonic()
try:
    with patch_module_args(options):
        module.main()
except SystemExit:
    pass
taken = time.monotonic() - began
with open("/proc/self/status") as status:
    (peak,) = [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
print("\\n" + json.dumps({"seconds": taken, "peak": peak * 1024}))
"""
FILL = """
create table readings_{table} as
select i::bigint as id, timestamptz '2026-01-01 00:00Z' + i * interval '1 s' as at, 1 + i % 50 as device_id,
       md5(i::text) || md5((-i)::text) as body, sqrt(i) as value
from generate_series(1, {rows}) i;
alter table readings_{table} add primary key (id);
create index on readings_{table} (device_id, at);
"""


@dataclass(frozen=True)
class Module:
    """A module that ran; `peak` in bytes."""

    seconds: float
    peak: int
    result: dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    pairs: int
    megabytes: int
    large: int


def module(name: str, /, **options: Any) -> Module:
    env = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    command = [sys.executable, "-c", CHILD, name]
    os.sync()
    done = subprocess.run(
        command, check=True, env=env, input=json.dumps(options), capture_output=True, text=True, start_new_session=True
    )
    said, figures = done.stdout.strip().rsplit("\n", 1)
    result = json.loads(said)
    if result.get("failed"):
        sys.exit(f"{name} failed: {result['msg']}")
    return Module(**json.loads(figures), result=result)


def timed(run: Callable[[], object]) -> float:
    """Seconds. What is compared runs in sessions of its own, which the scheduler treats alike."""
    os.sync()  # nobody pays for what was written before
    began = time.monotonic()
    run()
    return time.monotonic() - began


def fill(run: Callable[[str], object], megabytes: int) -> None:
    rows = megabytes * MEGABYTE // TABLES // ROW_BYTES
    for table in range(TABLES):
        run(FILL.format(table=table, rows=rows))
    run("analyze")


@dataclass(frozen=True)
class Scene:
    """A server with a filled database, and a folder for what is written."""

    server: Postgres
    folder: Path
    sizes: Sizes

    @property
    def reach(self) -> dict[str, Any]:
        server = self.server
        login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
        return {"mode": "tcp", "bindir": str(server.bindir), **login}

    @property
    def store(self) -> dict[str, Any]:
        return {"path": str(self.folder / "store")}

    def back_up(self, name: str, database: str = "shop") -> Module:
        options = {"server": self.reach, "database": database, "store": self.store, "id": name}
        return module("pg_backup", **options, compression=COMPRESSION, proof="checksum")

    def restore(self, name: str, **more: Any) -> Module:
        options = {"server": self.reach, "database": "shop", "store": self.store, "id": name, "again": True}
        made = module("pg_restore", **options, accept_data_loss=True, safety_backup=False, **more)
        self.server.sql(f"drop database {made.result['replaced']}")
        return made

    def make(self, database: str, megabytes: int) -> None:
        self.server.sql(f"create database {database}")
        fill(lambda text: self.server.sql(text, database), megabytes)


@contextmanager
def scene(sizes: Sizes) -> Iterator[Scene]:
    server = Postgres.start(OTHER_MAJOR, {"shared_buffers": "512MB", "maintenance_work_mem": "256MB"})
    try:
        with tempfile.TemporaryDirectory(prefix="runbook-bench-") as folder:
            yield Scene(server, Path(folder), sizes)
    finally:
        server.stop()


def against(name: str, ours: list[float], bare: list[float], goal: float, peer: str) -> Line:
    ratios = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    return Line(name, ratios, "ratio", goal, "median", {"name": peer, "values": bare, "ours": ours})


def dump(sizes: Sizes) -> Iterator[Line]:
    """The dump alone is what pg_dump does; the whole also reads the schema, and what the snapshot holds."""
    phase, whole, bare, checksum = [], [], [], []
    with scene(sizes) as at:
        at.make("shop", sizes.megabytes)
        for pair in range(sizes.pairs):
            target = at.folder / "bare.dump"
            options = ("--format=custom", f"--compress={COMPRESSION}", f"--file={target}", "shop")
            bare.append(timed(partial(at.server.tool, "pg_dump", *options, start_new_session=True)))
            target.unlink()
            made = at.back_up(f"pair-{pair}")
            backup = made.result["backup"]
            phase.append(backup["phases"]["dump"])
            checksum.append(backup["proof"]["seconds"] / backup["phases"]["dump"])
            whole.append(made.seconds - backup["proof"]["seconds"])
    peer = f"pg_dump --format=custom --compress={COMPRESSION}, {sizes.megabytes} MB"
    yield against("pg_backup tcp: the dump", phase, bare, 1.05, peer)
    yield against("pg_backup tcp: the module without Python's start and without a proof", whole, bare, 1.05, peer)
    yield Line("pg_backup: level checksum on top of the dump", checksum, "ratio", 0.03, "median")


def memory(sizes: Sizes) -> Iterator[Line]:
    with scene(sizes) as at:
        for name, megabytes in (("small", 100), ("large", sizes.large)):
            at.make(name, megabytes)
            made = at.back_up(name, name)
            yield Line(f"pg_backup tcp: memory, {megabytes} MB", [made.peak / MEGABYTE], "MB", 80.0, "max")


def restore(sizes: Sizes) -> Iterator[Line]:
    ours, bare = [], []
    with scene(sizes) as at:
        at.make("shop", sizes.megabytes)
        backup = at.back_up("one").result["backup"]["id"]
        (archive,) = (at.folder / "store" / backup).glob("*.dump")
        for _pair in range(sizes.pairs):
            at.server.sql("create database bare")
            options = ("--exit-on-error", f"--jobs={JOBS}", "--dbname=bare", str(archive))
            bare.append(timed(partial(at.server.tool, "pg_restore", *options, start_new_session=True)))
            at.server.sql("drop database bare")
            ours.append(at.restore(backup, jobs=JOBS).result["phases"]["restore"])
    yield against("pg_restore: the restore", ours, bare, 1.05, f"pg_restore --jobs={JOBS}, {sizes.megabytes} MB")


class Connector:
    """One new connection after the other; `longest` is the most seconds between two that succeeded."""

    def __init__(self, server: Postgres, database: str) -> None:
        self.longest = 0.0
        self._connect = partial(server.connect, database)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> Connector:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _go_on(self) -> None:
        import psycopg2

        last = time.monotonic()
        while not self._ended.is_set():
            with suppress(psycopg2.OperationalError):
                self._connect().close()
                self.longest, last = max(self.longest, time.monotonic() - last), time.monotonic()


def swap(sizes: Sizes) -> Iterator[Line]:
    outages, told = [], []
    with scene(sizes) as at:
        at.make("shop", 100)
        backup = at.back_up("one").result["backup"]["id"]
        for _round in range(sizes.pairs):
            with Connector(at.server, "shop") as clients:
                told.append(at.restore(backup).result["outage_ms"] / 1000)
            outages.append(clients.longest)
    name = "pg_restore: longest time without a new connection around the swap"
    yield Line(name, outages, "s", 1.0, "max", {"name": "what the module tells", "values": told})


def kubectl(*argv: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([os.environ["KUBECTL"], "--namespace", NAMESPACE, *argv], check=True, **more)


@contextmanager
def pod(megabytes: int) -> Iterator[str]:
    """The database of the cluster, filled; without the load."""
    subprocess.run([os.environ["KUBECTL"], "create", "namespace", NAMESPACE], check=True, capture_output=True)
    try:
        kubectl("create", "secret", "generic", "database", "--from-literal=password=bench", capture_output=True)
        kubectl("apply", "--filename", str(STAND_IN / "server.yml"), capture_output=True)
        kubectl("rollout", "status", "statefulset/database", "--timeout=120s", capture_output=True)
        inside = ("exec", "database-0", "--", "psql", "--quiet", "--username=postgres", "--dbname=shop")
        fill(lambda text: kubectl(*inside, f"--command={text}", capture_output=True), megabytes)
        yield "database-0"
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait", capture_output=True)


def through_exec(sizes: Sizes) -> Iterator[Line]:
    ours, bare = [], []
    with pod(sizes.megabytes) as name, tempfile.TemporaryDirectory(prefix="runbook-bench-") as folder:
        target = Path(folder) / "bare.dump"
        server = {"mode": "exec", "namespace": NAMESPACE, "pod": name, "user": "postgres"}
        dumping = ("pg_dump", "--format=custom", f"--compress={COMPRESSION}", "--username=postgres", "shop")
        for pair in range(sizes.pairs):
            with target.open("wb") as stream:
                bare.append(
                    timed(partial(kubectl, "exec", name, "--", *dumping, stdout=stream, start_new_session=True))
                )
            options = {"database": "shop", "store": {"path": f"{folder}/store"}, "id": f"pair-{pair}"}
            made = module("pg_backup", server=server, **options, compression=COMPRESSION, proof="checksum")
            ours.append(made.result["backup"]["phases"]["dump"])
    yield against("pg_backup exec: the dump", ours, bare, 1.1, f"kubectl exec pg_dump > file, {sizes.megabytes} MB")


MEASURES: dict[str, Callable[[Sizes], Iterator[Line]]] = {
    "dump": dump,
    "memory": memory,
    "restore": restore,
    "swap": swap,
    "exec": through_exec,
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--size", type=int, default=1000, help="megabytes of a database that is dumped and restored")
    parser.add_argument("--large", type=int, default=5000, help="megabytes of the one that shows how memory grows")
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    given = parser.parse_args(argv)
    if unknown := sorted(set(given.measures) - set(MEASURES)):
        sys.exit(f"unknown measure {', '.join(unknown)}. Do: name some of {', '.join(MEASURES)}")
    sizes = Sizes(given.pairs, given.size, given.large)
    target = ROOT / "build" / "bench.jsonl"
    with target.open("a") as stream:
        for name in given.measures or MEASURES:
            for line in MEASURES[name](sizes):
                record = line.record(commit())
                stream.write(json.dumps(record) + "\n")
                stream.flush()
                print(json.dumps(record), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
