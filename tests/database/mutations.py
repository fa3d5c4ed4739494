"""Bodies that are almost alerts: samples with something changed, the same for the same seed."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.database.alert_cases import ALIASES, CASES, as_pairs

SECRET: Final = "s3cr3t-of-the-sender"
_NAMES: Final = (
    *sorted({name for canonical, others, *_ in ALIASES for name in (canonical, *others)}),
    *("stop_price", "close_percent", "sell_percentage", "market_position_size", "take_profits", "legs"),
    *("strike", "expiration", "dte", "option_symbol", "exit_strategy", "strategy", "strategy_id"),
)
_ODD: Final[Sequence[Any]] = (
    *(0, -1, 1, 2.5, 1e22, 1e-9, 99999999999999999999, "1", "0", "-0", "1e3", "NaN", "1,5", "٣", "½"),
    *("", " ", "buy", "flat", "long", "close_all", "cancel", "true", "{{close}}", "AAPL990417C00200000"),
    *(None, True, False, [], {}, [1], [{}], {"a": 1}, [{"percent": 1, "quantity_percent": 100}]),
    *(
        "2099-02-30",
        "2099-02-28",
        "2026-11-22T10:00:00+15:60",
        "999999999999",
        "call",
        "gtc",
        "stop",
        "limit",
        "x" * 200,
    ),
)
# Values that are nearly right for their field.
_NEAR: Final[Mapping[str, Sequence[Any]]] = {
    "expiration": ("2099-02-30", "2099-13-01", "2099-02-28", "2020-01-01", "2099-2-8"),
    "timestamp": ("2026-02-30T10:00:00Z", "2026-11-22T10:00:00+15:60", 0, 1795341600, "9999-01-01T00:00:00Z"),
    "position_size_percent": (100, "100.0", 100.1, 0.001),
    "risk_percent": (100, 101, "0"),
    "close_percent": (0.1, 0.09, 100, 101),
    "leverage": (1, 1000, 1001, "2.0", 2.5),
    "dte": (0, 3650, 3651, "1.0", -1),
    "option_symbol": ("AAPL990230C00200000", "AAPL 990417P1.5", "BRK.B990417C00200000"),
    "strategy_id": ("6f9619ff-8b86-d011-b42d-00c04fc964ff", "6f9619ff8b86d011b42d00c04fc964ff"),
    "take_profits": ([{"percent": 1, "quantity_percent": 101}], '[{"price":1,"quantity_percent":1e2}]'),
}
_LOOSE: Final = "{}[]\",:;=\\\n\t \u00a0e+-.0123456789aBcÄ💥_/%'"


def mutated(seed: int, count: int) -> Iterator[str]:
    """Yield `count` bodies."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    samples = [json.loads(case.body) for case in CASES if case.body.startswith("{")]
    for _ in range(count):
        fields = dict(chance.choice(samples))
        if chance.random() < 0.5:
            fields = {"secret": SECRET} | fields
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            _change_a_field(chance, fields, chance.choice(samples))
        body = _written(chance, fields)
        for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 6))):
            body = _change_the_text(chance, body)
        yield body


def _change_a_field(chance: random.Random, fields: dict[str, Any], other: dict[str, Any]) -> None:
    name = chance.choice(list(fields) or _NAMES)
    match chance.randrange(6):
        case 0:
            near = chance.choice(list(_NEAR))
            fields[near] = chance.choice(_NEAR[near])
        case 1:
            fields[name] = chance.choice(_ODD)
        case 2:
            fields[chance.choice(_NAMES)] = fields.pop(name, "1")
        case 3:
            fields.pop(name, None)
        case 4:
            taken = chance.choice(list(other))
            fields[taken] = other[taken]
        case _:
            fields[chance.choice(_NAMES)] = chance.choice(_ODD)


def _written(chance: random.Random, fields: dict[str, Any]) -> str:
    form = chance.randrange(4)
    if form == 0:
        return as_pairs(fields, chance.choice(("\n", "; ", "\r\n")))
    return json.dumps(fields, ensure_ascii=form == 1)


def _change_the_text(chance: random.Random, body: str) -> str:
    start = chance.randrange(len(body) + 1)
    end = min(len(body), start + chance.choice((0, 1, 1, 2, 8)))
    match chance.randrange(4):
        case 0:
            return body[:start] + body[end:]
        case 1:
            return body[:start] + chance.choice(_LOOSE) + body[end:]
        case 2:
            return body[:end] + body[start:end] + body[end:]
        case _:
            place = chance.randrange(len(body) + 1)
            return body[:place] + body[start:end] + body[place:]
