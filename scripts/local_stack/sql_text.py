"""Splitting a migration file into its statements, as the Supabase CLI records them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*)
    | (?P<open>/\*)
    | (?P<escaped>(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*')
    | (?P<quoted>'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<dollar>(?<![\w$])\$(?P<tag>[A-Za-z_]\w*)?\$)
    | (?P<word>[A-Za-z_][\w$]*)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_COMMENT = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Statement:
    """`text` without its semicolon; `line` is where it begins in the file, counted from 1."""

    text: str
    line: int


def statements(source: str) -> Iterator[Statement]:
    """Yield the statements of a script; semicolons in quotes, comments and function bodies do not end one."""
    start = 0
    for end in _ends(source):
        statement = _statement(source, start, end)
        if statement is not None:
            yield statement
        start = end + 1
    last = _statement(source, start, len(source))
    if last is not None:
        yield last


def _ends(source: str) -> Iterator[int]:
    position = 0
    atomic = 0
    previous = ""
    while (token := _TOKEN.search(source, position)) is not None:
        position = token.end()
        if token["open"]:
            position = _after_comment(source, position)
        elif token["dollar"]:
            closing = source.find(token["dollar"], position)
            position = len(source) if closing < 0 else closing + len(token["dollar"])
        elif token["word"]:
            word = token["word"].lower()
            atomic = _depth(atomic, previous, word)
            previous = word
        elif token["end"]:
            if atomic == 0:
                yield token.start()
            previous = ""


# `begin atomic … end` is a function body without quotes; within it `case … end` nests.
def _depth(depth: int, previous: str, word: str) -> int:
    if word == "atomic" and previous == "begin":
        return 1
    if depth and word == "case":
        return depth + 1
    if depth and word == "end":
        return depth - 1
    return depth


def _after_comment(source: str, position: int) -> int:
    depth = 1
    while depth and (mark := _BLOCK_COMMENT.search(source, position)) is not None:
        depth += 1 if mark[0] == "/*" else -1
        position = mark.end()
    return position if depth == 0 else len(source)


def _statement(source: str, start: int, end: int) -> Statement | None:
    text = source[start:end]
    if not _says_something(text):
        return None
    lead = len(text) - len(text.lstrip())
    return Statement(text.strip(), source.count("\n", 0, start + lead) + 1)


def _says_something(text: str) -> bool:
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
        elif text.startswith("--", position):
            newline = text.find("\n", position)
            position = len(text) if newline < 0 else newline
        elif text.startswith("/*", position):
            position = _after_comment(text, position + 2)
        else:
            return True
    return False
