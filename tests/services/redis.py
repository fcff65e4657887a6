# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis with a password, by plain TCP and by TLS."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

from services.debian import Server, free_port
from services.packages import Package


class Redis(Server):
    """`tls_port` is 0 without `trust`, a certificate and its key."""

    package = Package(("redis-tools", "liblzf1", "libjemalloc2"), "usr/bin/redis-check-rdb")  # one program, four names
    ready = "Ready to accept connections"

    def __init__(self, trust: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self.password = secrets.token_hex(12)
        self.trust = trust
        self.tls_port = free_port() if trust else 0

    def arguments(self) -> list[str]:
        lines = [f"bind {self.host}", f"port {self.port}", f"requirepass {self.password}", 'save ""']
        if self.trust:
            certificate, key = (self.own(path.name, path.read_text()) for path in self.trust)
            lines += [f"tls-port {self.tls_port}", f"tls-cert-file {certificate}", f"tls-key-file {key}"]
            lines += [f"tls-ca-cert-file {certificate}", "tls-auth-clients no"]
        return [str(self.own("redis.conf", "\n".join(lines)))]

    def say(self, *words: str) -> str:
        """What redis-cli is answered."""
        done = subprocess.run(
            [str(self.package.folder / "usr/bin/redis-cli"), "-h", self.host, "-p", str(self.port), *words],
            check=True,
            capture_output=True,
            text=True,
            env={"REDISCLI_AUTH": self.password, "LD_LIBRARY_PATH": str(self.folder / "libraries")},
        )
        return done.stdout.strip()
