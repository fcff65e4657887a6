# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis server, whichever way it is reached: commands go in, answers come out in the same order."""

from __future__ import annotations

import time
import typing as t
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ReleaseError

Word: t.TypeAlias = "str | bytes"
Command: t.TypeAlias = "Sequence[Word]"


@dataclass(frozen=True)
class Failure:
    """What the server answered instead of doing it."""

    text: str


Answer: t.TypeAlias = "bytes | int | list[t.Any] | Failure | None"


class Deadline:
    """When all of it has to be over, on the monotonic clock."""

    def __init__(self, seconds: float, where: str) -> None:
        self._seconds, self._where = seconds, where
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise ReleaseError(
                f"no complete answer within {self._seconds:.2g} s",
                where=self._where,
                remedy="see whether the server answers at all, or allow more time with timeout, then run again",
            )
        return left


class Cache(ABC):
    """A connection to one database, as a context manager; ``where`` names it in messages."""

    where: str

    @abstractmethod
    def ask(self, commands: Sequence[Command]) -> list[Answer]:
        """The answers to commands that are sent at once."""

    @abstractmethod
    def close(self) -> None: ...

    def say(self, *words: Word) -> Answer:
        """The answer to one command; ``ReleaseError`` if the server refuses it."""
        return self.checked([words])[0]

    def checked(self, commands: Sequence[Command]) -> list[Answer]:
        """Like ``ask``; ``ReleaseError`` if the server refuses one of them."""
        answers = self.ask(commands)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Failure):
                raise refusal(command, answer, self.where)
        return answers

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def refusal(command: Command, answer: Failure, where: str) -> ReleaseError:
    name = _text(command[0])
    remedy = "allow this user the command (ACL SETUSER)" if answer.text.startswith("NOPERM") else "see its words"
    if "unknown command" in answer.text:
        remedy = "use Redis 4 or newer, or Valkey"
    return ReleaseError(f"the server refuses {name}: {answer.text[:200]}", where=where, remedy=remedy)


def _text(word: Word) -> str:
    return word if isinstance(word, str) else word.decode("utf-8", "replace")
