# SPDX-License-Identifier: GPL-3.0-or-later
"""A real S3-compatible server in a temporary folder: multipart, conditional writes, versions and object lock."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.build import build
from cluster.plan import Part, Places

from services.debian import free_port

PROGRAM = Part("versitygw", 105, home=Path(__file__).resolve().parent / "go")
REGION = "us-east-1"
READY = "listening on"


def program() -> Path:
    """Built once into the cache, where tests/cluster keeps its programs, too."""
    places = Places.from_environment()
    build(places, PROGRAM)
    return places.programs(PROGRAM) / "versitygw"


class S3:
    """A running server; `folder/data` has the buckets as folders and the objects as files."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="runbook-s3-"))
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_hex(16)
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def start(cls) -> S3:
        server = cls()
        try:
            server.run()
        except BaseException:
            server.stop()
            raise
        return server

    def run(self) -> None:
        """Start it, also again after `kill`, on the same data and port; returns when it serves."""
        for name in ("data", "versions"):
            (self.folder / name).mkdir(exist_ok=True)
        command = [str(program()), "--port", f"127.0.0.1:{self.port}", "--region", REGION]
        command += ["posix", "--versioning-dir", str(self.folder / "versions"), str(self.folder / "data")]
        keys = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env={**os.environ, **keys},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready, said = threading.Event(), list[str]()
        threading.Thread(target=_follow, args=(self._process, ready, said), daemon=True).start()
        ready.wait()
        if self._process.poll() is not None:
            raise RuntimeError(f"the S3 server did not start:\n{''.join(said)[-2000:]}")

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def client(self) -> Any:
        import boto3

        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION, **keys)

    def bucket(self, *, lock: bool = False) -> str:
        """A new one, by name; with `lock` its objects can be locked."""
        name = f"bucket-{secrets.token_hex(4)}"
        self.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        return name

    def store(self, bucket: str, **more: Any) -> Mapping[str, Any]:
        """The option `store` of a module."""
        keys = {"access_key": self.access_key, "secret_key": self.secret_key}
        return {"s3": {"bucket": bucket, "endpoint": self.endpoint, "region": REGION, **keys, **more}}


def _follow(process: subprocess.Popen[str], ready: threading.Event, said: list[str]) -> None:
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            if not ready.is_set():
                said.append(line)
            if READY in line:
                ready.set()
    ready.set()
