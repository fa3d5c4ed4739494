"""Instruments of the paper venue: every symbol trades, in steps that no real venue is finer than."""

from decimal import Decimal

from sparky.domain.rules import InstrumentRules


def paper_rules(symbol: str) -> InstrumentRules:
    """Return the rules of a symbol."""
    return InstrumentRules(
        symbol=symbol, quantity_step=Decimal("0.00000001"), price_tick=Decimal("0.00000001"), can_short=True
    )
