"""Chains of options."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sparky.domain.options import OptionContract, Right, parse_option
from sparky.venues.tradier import wire
from sparky.venues.tradier.symbols import from_venue


def read_expirations(answer: Any) -> tuple[date, ...]:
    """Read the days on which options expire; there may be one, several or none."""
    if not isinstance(answer, Mapping) or "expirations" not in answer:
        raise wire.NotUnderstood("expirations")
    held = answer["expirations"]
    days = held.get("date") if isinstance(held, Mapping) else wire.texts(held, "expirations")
    try:
        return tuple(sorted({date.fromisoformat(day) for day in wire.texts(days or None, "date")}))
    except ValueError:
        raise wire.NotUnderstood("date") from None


def read_chain(answer: Any, underlying: str) -> tuple[OptionContract, ...]:
    """Read the contracts of one expiration, by strike, calls before puts.

    What has no OCC symbol is left out: it cannot be ordered.
    """
    contracts = (_contract(one, underlying) for one in wire.one_or_many(answer, "options", "option"))
    return tuple(
        sorted(
            (one for one in contracts if one is not None),
            key=lambda one: (one.strike, one.right is Right.PUT, one.symbol),
        )
    )


def _contract(source: Mapping[str, Any], underlying: str) -> OptionContract | None:
    symbol = parse_option(from_venue(wire.text(source, "symbol")))
    if symbol is None:
        return None
    return OptionContract(
        symbol=symbol.compact,
        underlying=underlying,
        expiration=symbol.expiration,
        right=symbol.right,
        strike=symbol.strike,
        multiplier=wire.number(source, "contract_size"),
        bid=wire.optional_number(source, "bid"),
        ask=wire.optional_number(source, "ask"),
    )
