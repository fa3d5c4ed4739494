"""Calls that are wrong: the right calls of calls.toml with one thing replaced by another."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.database.calls import Call

Arguments = dict[str, str | None]
MEGABYTE = "x" * 1_000_000
DEEP = "[" * 3000 + "]" * 3000

TEXTS = (
    *("", " ", "x", "0", "-1", "NaN", "null", "{}", "2026-13-45", "%s$1\\", "'; drop table public.plans; --"),
    *("\x01\x07\x1b[31m", "\u202e\u2028\ufeff", "\U0001f600" * 50, MEGABYTE),
)
NUMBERS = ("", "x", "-1", "0", "2147483647", "-2147483648", "99999999999", "1.5", "1e999", MEGABYTE)
VALUES: dict[str, tuple[str, ...]] = {
    "text": TEXTS,
    "uuid": ("", "x", "00000000-0000-0000-0000-000000000000", MEGABYTE),
    "int4": NUMBERS,
    "int8": (*NUMBERS, "9223372036854775807", "-9223372036854775808"),
    "numeric": (*NUMBERS, "NaN", "Infinity", "-Infinity", "1e-300", "1e100000", "9" * 500),
    "bool": ("", "x", "2", MEGABYTE),
    "timestamptz": ("", "x", "infinity", "-infinity", "4713-01-01 BC", "294276-12-31", MEGABYTE),
    "date": ("", "x", "infinity", "-infinity", "4713-01-01 BC", MEGABYTE),
    "_text": ("", "x", "{}", "{NULL}", "{" + ",".join(["x"] * 2000) + "}", "{" + MEGABYTE + "}", "{{a,b}}"),
    "jsonb": (
        *("", "x", "null", "true", "1", '"x"', "[]", "{}", "[null]", "[1]", '["x"]', "[[]]", "[{}]", "{"),
        *('{"": {"": null}}', "1e99999", '"\\u0000"', DEEP, json.dumps(MEGABYTE), json.dumps([{}] * 2000)),
        *(json.dumps({"x": MEGABYTE}), json.dumps([MEGABYTE])),
    ),
}
# What stands in the place of one value inside a JSON argument.
JSON_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**40, "", "x", "NaN", "Infinity", "-1", "1e999", "9" * 400),
    *([], {}, [None], [[]], {"x": 1}, "\x01\u202e", "0001-01-01", MEGABYTE),
)


def wrong_calls(
    call: Call, types: Mapping[str, str], names: Mapping[str, str], foreign: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, Arguments]]:
    """Yield a label and the arguments of each wrong call; `foreign` are names that mean others, or nobody."""
    right = call.filled(names)
    yield "no value at all", dict.fromkeys(types)
    for argument, kind in types.items():
        yield f"{argument} null", right | {argument: None}
        for value in VALUES[kind]:
            yield f"{argument} {value[:20]!r}", right | {argument: value}
        if kind == "jsonb" and argument in right:
            for label, text in _inside(json.loads(right[argument] or "null")):
                yield f"{argument}{label}", right | {argument: text}
    for whose, others in foreign.items():
        yield f"ids of {whose}", call.filled(others)
        for key in names:
            one = call.filled({**names, key: others[key]})
            if one != right:
                yield f"{key} of {whose}", one


def _inside(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the JSON with each value in it, at any depth, replaced by each wrong one, or left out."""
    for path in _paths(value):
        yield (
            f".{'.'.join(map(str, path))} left out",
            json.dumps(_replaced(value, path, None, leave_out=True)),
        )
        for wrong in JSON_VALUES:
            text = json.dumps(_replaced(value, path, wrong))
            yield f".{'.'.join(map(str, path))} {json.dumps(wrong)[:20]}", text


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from _paths(part, (*path, key))


def _replaced(value: Any, path: tuple[str | int, ...], wrong: Any, *, leave_out: bool = False) -> Any:
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if leave_out:
        del inner[path[-1]]
    else:
        inner[path[-1]] = wrong
    return copy
