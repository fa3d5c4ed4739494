"""Alerts as private.parse_alert reads them."""

import json
from dataclasses import dataclass
from typing import Any

from tests.database.world import World

# What a work order carries beside the terms of the alert.
ELSEWHERE = {"id", "exchange", "environment", "symbol", "action", "timestamp", "strategy", "strategy_id"}


@dataclass(frozen=True, slots=True)
class Parsed:
    secret: str | None
    fields: dict[str, Any] | None
    symbol_text: str | None
    raw: str
    warnings: list[str]
    reason_code: str | None
    reason: str | None

    @property
    def stored(self) -> tuple[Any, ...]:
        """What of it ends up in a row."""
        return self.fields, self.symbol_text, self.raw, self.warnings


def parse(world: World, body: str | dict[str, Any]) -> Parsed:
    text = body if isinstance(body, str) else json.dumps(body)
    return Parsed(*world.row("select (private.parse_alert(%s)).*", text))


def read(world: World, **fields: Any) -> Parsed:
    return parse(world, {"symbol": "BTCUSDT", "action": "buy"} | fields)


def understood(world: World, **fields: Any) -> dict[str, Any]:
    parsed = read(world, **fields)
    assert parsed.reason_code is None, parsed
    assert parsed.fields is not None
    return parsed.fields
