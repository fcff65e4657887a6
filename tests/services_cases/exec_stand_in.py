# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's exec without a cluster: the same streams from a shell on this machine, and ways to damage them."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Sequence

from ansible_collections.runbook.release.plugins.module_utils.errors import ApiError
from ansible_collections.runbook.release.plugins.module_utils.kube.pod_exec import STDERR, STDOUT

BLOCK = 32 << 10
SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}

STARTED: list[subprocess.Popen[bytes]] = []

Damage = Callable[[bytes], bytes]


class LocalExec:
    """What `PodStream` is, of a command on this machine; `path` is searched for programs first."""

    def __init__(self, argv: Sequence[str], shell: Sequence[str] = ("sh",), path: str | os.PathLike[str] = "") -> None:
        folders = os.pathsep.join(filter(None, [str(path), os.environ["PATH"]]))
        self.process = subprocess.Popen(
            [*shell, *argv[1:]],
            env={"PATH": folders, "HOME": "/nonexistent"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.stdin = self.process.stdin
        os.set_blocking(self.stdin.fileno(), False)
        self._outputs = [self.process.stdout, self.process.stderr]
        self._selector = selectors.DefaultSelector()
        for pipe, channel in zip(self._outputs, (STDOUT, STDERR), strict=True):
            self._selector.register(pipe, selectors.EVENT_READ, channel)
        self.ended = False
        self.sending = False

    def write(self, data: memoryview, timeout: float) -> memoryview:
        if not data:
            return data
        with selectors.DefaultSelector() as selector:
            selector.register(self.stdin, selectors.EVENT_WRITE)
            if not selector.select(timeout):
                return data
        try:
            return data[os.write(self.stdin.fileno(), data[:BLOCK]) :]
        except BrokenPipeError as error:
            raise ApiError("the connection broke") from error

    def read(self, timeout: float) -> tuple[int, bytes] | None:
        for key, _events in self._selector.select(timeout):
            data = os.read(key.fd, BLOCK)
            if data:
                return key.data, data
            self._selector.unregister(key.fileobj)
            self.ended = not self._selector.get_map()
            return None
        return None

    def exit_code(self) -> int:
        if not self.ended:
            raise ApiError("the connection ended before the command did")
        return self.process.wait()

    def close(self) -> None:
        """As a kubelet does: the streams end, and the command is left to notice."""
        for pipe in (self.stdin, *self._outputs):
            pipe.close()
        self._selector.close()
        self.ended = True
        STARTED.append(self.process)


def must_have_ended() -> None:
    """Every script whose streams ended, in a while; what has not is ended here."""
    left = []
    while STARTED:
        process = STARTED.pop()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            left.append(process.wait())
    assert not left, "a script did not end when its streams had"


class FaultyExec(LocalExec):
    """Damages the archive that comes out, with its trailer, and says that all went well: exit code 0."""

    def __init__(
        self, argv: Sequence[str], damage: Damage, shell: Sequence[str] = ("sh",), path: str | os.PathLike[str] = ""
    ) -> None:
        super().__init__(argv, shell, path)
        self._damage = damage
        self._archive = bytearray()
        self._frames: list[bytes] | None = None

    def read(self, timeout: float) -> tuple[int, bytes] | None:
        if self._frames is not None:
            return self._next()
        found = super().read(timeout)
        if found is not None and found[0] == STDOUT and (self._archive or found[1].startswith(b"PGDMP")):
            self._archive += found[1]
            found = None
        if self.ended and self._archive:
            data = self._damage(bytes(self._archive))
            self._frames = [data[place : place + BLOCK] for place in range(0, len(data), BLOCK)]
            self.ended = False
        return found

    def _next(self) -> tuple[int, bytes] | None:
        if not self._frames:
            self.ended = True
            return None
        return STDOUT, self._frames.pop(0)

    def exit_code(self) -> int:
        return 0


class FlippingExec(LocalExec):
    """Changes one byte of what goes in, in a block that has the mark."""

    def __init__(self, argv: Sequence[str], mark: bytes, path: str | os.PathLike[str] = "") -> None:
        super().__init__(argv, path=path)
        self._mark = mark

    def write(self, data: memoryview, timeout: float) -> memoryview:
        block = bytearray(data[:BLOCK])
        place = block.find(self._mark)
        if place >= 0:
            block[place] ^= 1
            data = memoryview(bytes(block) + data[BLOCK:])
        return super().write(data, timeout)
