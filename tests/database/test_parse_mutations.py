"""A hundred thousand alerts with something changed: each is understood, or refused with a reason."""

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from sparky.domain.alert import Action, parse_alert_terms
from sparky.domain.reasons import Reason
from tests.database.alert_cases import ALIASES
from tests.database.alerts import ELSEWHERE, Parsed
from tests.database.mutations import SECRET, mutated
from tests.database.world import World

COUNT = 100_000
AT_ONCE = 5_000
SEED = int(os.environ.get("SPARKY_FUZZ_SEED", "20261122"))
SIZES = ("quantity", "position_size_usd", "position_size_percent", "risk_percent", "risk_usd", "leverage")
NAMES = {canonical: (canonical, *others) for canonical, others, *_ in ALIASES if canonical in SIZES} | {
    "close_percent": ("close_percent", "sell_percentage"),
    "market_position_size": ("market_position_size",),
}
NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


def parse_all(world: World, bodies: list[str]) -> Iterator[Parsed]:
    rows = world.rows(
        "select a.* from unnest(%s::text[]) with ordinality as b (body, place),"
        " lateral private.parse_alert(b.body) a order by b.place",
        bodies,
    )
    return (Parsed(*row) for row in rows)


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield str(value)


def numbers_of(body: str) -> set[Decimal]:
    """Return every number that somebody could find in the body, also behind an escape of JSON."""
    texts = [body]
    with contextlib.suppress(ValueError):
        texts += leaves(json.loads(body, parse_int=str, parse_float=str))
    return {Decimal(found) for text in texts for found in NUMBER.findall(text)}


def complaint(body: str, parsed: Parsed) -> str | None:
    """Tell what is wrong with the answer to one body; None when nothing is."""
    if not parsed.raw:
        return "nothing to store"
    if (
        parsed.secret == SECRET
        and body.count(SECRET) == 1
        and SECRET in repr((*parsed.stored, parsed.reason))
    ):
        return "keeps the secret"
    if parsed.reason_code is not None:
        known = parsed.reason_code in set(Reason)
        return None if known and parsed.reason and parsed.reason.endswith(".") else "no reason"
    return _wrongly_accepted(body, parsed.fields or {})


def _wrongly_accepted(body: str, fields: dict[str, Any]) -> str | None:
    terms = {name: value for name, value in fields.items() if name not in ELSEWHERE}
    parse_alert_terms(terms, "$")
    if fields.get("action") not in set(Action) - {Action.PROTECT} or not fields.get("symbol"):
        return "no action or symbol"
    bare = re.sub(r"[\s_-]", "", body.lower())
    for size in NAMES.keys() & fields.keys():
        if Decimal(fields[size]) not in numbers_of(body):
            return f"{size} from nowhere"
        if "\\u" not in body and not any(name.replace("_", "") in bare for name in NAMES[size]):
            return f"{size} without its name"
    return None


@pytest.mark.timeout(300)
def test_a_changed_alert_is_understood_or_refused_with_a_reason(
    shared: World, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = mutated(SEED, COUNT)
    ends: Counter[str] = Counter()
    while chunk := list(islice(bodies, AT_ONCE)):
        for body, parsed in zip(chunk, parse_all(shared, chunk), strict=True):
            assert complaint(body, parsed) is None, (complaint(body, parsed), body, parsed)
            ends[parsed.reason_code or "understood"] += 1
    assert ends.total() == COUNT
    # Samples that nearly all fail, or nearly all pass, would prove little.
    assert 0.1 * COUNT < ends["understood"] < 0.9 * COUNT
    with capsys.disabled():
        print(f"\n{COUNT} changed alerts with seed {SEED}: {dict(ends.most_common())}")
