# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of others without what they hold: values and comments may be anybody's data. Pure."""

from __future__ import annotations

import re

LONGEST = 1000
_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*)
  | (?P<text>(?:\b[EeBbXxNn]|\b[Uu]&)?')
  | (?P<dollar>\$(?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$)
  | (?P<name>"(?:[^"]|"")*"?)
  | (?P<parameter>\$\d+)
  | (?P<word>[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*)
  | (?P<number>\d[\w.]*|\.\d[\w.]*)
  | (?P<space>\s+)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")
_TWO_WORDS = ("CREATE", "ALTER", "DROP")
_WORD = re.compile(r"[A-Z_]+")


def without_values(statement: str) -> str:
    """The statement on one line, with ``?`` in the place of every value; one that was cut off ends where that began."""
    parts: list[str] = []
    place = 0
    while place < len(statement):
        found = _TOKEN.match(statement, place)
        if found is None:
            break
        shown, place = _shown(statement, found)
        parts.append(shown)
    return " ".join("".join(parts).split())[:LONGEST]


def kind_of(statement: str) -> str:
    """``SELECT``, ``CREATE INDEX``: what kind of statement it is, from its first words."""
    words = _WORD.findall(re.sub(r'"[^"]*"?', "", without_values(statement).upper()))
    if not words:
        return ""
    if words[0] not in _TWO_WORDS:
        return str(words[0])
    rest = [word for word in words[1:] if word not in ("UNIQUE", "OR", "REPLACE")]
    return f"{words[0]} {rest[0]}" if rest else str(words[0])


def _shown(statement: str, found: re.Match[str]) -> tuple[str, int]:
    """What stands for a token, and where the next one begins."""
    kind, end = found.lastgroup, found.end()
    if kind == "comment":
        return " ", end if found[0] != "/*" else _after_comment(statement, end)
    if kind == "text":
        return "?", _after_text(statement, end, escapes=found[0][0] in "Ee")
    if kind == "dollar":
        close = statement.find(found[0], end)
        return "?", len(statement) if close < 0 else close + len(found[0])
    return ("?" if kind == "number" else found[0]), end


def _after_text(statement: str, place: int, *, escapes: bool) -> int:
    """After the closing quote; at the end where it depends on a setting of the server which one that is."""
    while place < len(statement):
        pair = statement[place : place + 2]
        if pair == "\\'" and not escapes:
            return len(statement)
        if pair == "''" or pair[0] == "\\":
            place += 2
        elif pair[0] == "'":
            return place + 1
        else:
            place += 1
    return len(statement)


def _after_comment(statement: str, place: int) -> int:
    """Comments are nested."""
    depth = 1
    while depth:
        mark = _COMMENT_MARK.search(statement, place)
        if mark is None:
            return len(statement)
        depth += 1 if mark[0] == "/*" else -1
        place = mark.end()
    return place
