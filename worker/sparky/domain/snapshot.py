"""What a venue shows of an account and an instrument, at the moment of planning."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sparky.domain.answers import Balance, Quote, VenuePosition
from sparky.domain.capabilities import Capabilities
from sparky.domain.options import OptionContract
from sparky.domain.rules import InstrumentRules

NO_RULES: Final = InstrumentRules(symbol="*", quantity_step=Decimal(1), price_tick=Decimal(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What planning a signal has to ask of the venue. Each costs a request, so no more than is needed.

    Without `rules` a snapshot holds `NO_RULES`: the signal is for no single instrument, or sends no size.
    """

    rules: bool = True
    position: bool = False
    positions: bool = False
    quote: bool = False
    balance: bool = False
    chain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The answers. What was not asked for is None, or empty.

    `rules`, `position` and `quote` are of the instrument that is traded: `contract` where an option was
    chosen from the chain, else the signal's symbol. `position` None means that nothing is open where it was
    asked for, and our own books are to be taken at their word where it was not. `positions` are all of the
    account.
    """

    capabilities: Capabilities
    rules: InstrumentRules
    position: VenuePosition | None = None
    positions: Sequence[VenuePosition] = ()
    quote: Quote | None = None
    balance: Balance | None = None
    contract: OptionContract | None = None
    underlying_quote: Quote | None = None
