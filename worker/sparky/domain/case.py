"""One planning: the signal, what the venue shows, and what has been found so far."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from sparky.domain.alert import AlertTerms
from sparky.domain.answers import VenuePosition
from sparky.domain.asset_kind import AssetKind, asset_kind
from sparky.domain.findings import Findings
from sparky.domain.options import parse_option
from sparky.domain.orders import OrderType, PositionSide, Side
from sparky.domain.plan import Purpose
from sparky.domain.rules import InstrumentRules, exact_difference, exact_sum
from sparky.domain.snapshot import NO_RULES, Snapshot
from sparky.domain.trade_settings import Settings
from sparky.domain.work_order import EarlierOrder, WorkOrder

_NO_SHORTS: Final = frozenset({AssetKind.SHARES, AssetKind.OPTIONS})
_PAPER: Final = "paper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One planning. `symbol` is what is traded: the chosen option, else the signal's symbol."""

    order: WorkOrder
    snapshot: Snapshot
    now: datetime
    findings: Findings = field(default_factory=Findings)

    @property
    def alert(self) -> AlertTerms:
        return self.order.alert

    @property
    def settings(self) -> Settings:
        return self.order.settings

    @property
    def symbol(self) -> str:
        return self.snapshot.rules.symbol

    @property
    def position(self) -> VenuePosition | None:
        return self.snapshot.position

    @property
    def kind(self) -> AssetKind:
        """What is traded: options also where the alert describes them by their underlying."""
        if self.alert.legs or self.alert.right is not None:
            return AssetKind.OPTIONS
        return asset_kind(self.order.exchange, self.symbol)

    @property
    def shorts_by_default(self) -> bool:
        """Whether going short is usual here, where no setting says."""
        if self.alert.right is not None:
            return False
        return self.order.exchange == _PAPER or self.kind not in _NO_SHORTS

    def rules_of(self, order_type: OrderType) -> InstrumentRules:
        """Return the steps and bounds of orders of that type; a stop becomes a market order when it fires."""
        rules = self.snapshot.rules
        return rules if order_type.has_limit_price else rules.at_market()

    def working(self, *purposes: Purpose, side: Side | None = None) -> tuple[EarlierOrder, ...]:
        """Return the orders of other signals in what this one trades that may work at the venue.

        An underlying has one lane for its shares, its options that alerts describe, and spreads of them.
        """
        return tuple(
            one
            for one in self.order.working
            if one.state.may_be_live
            and one.purpose in purposes
            and side in {None, one.side}
            and self._is_in_what_is_traded(one)
        )

    def _is_in_what_is_traded(self, one: EarlierOrder) -> bool:
        if one.spread:
            return False
        symbol = self.order.symbol if self.symbol == NO_RULES.symbol else self.symbol
        described = self.alert.right is not None and not self.alert.legs
        if not described or (one.purpose is not Purpose.OPEN and parse_option(symbol) is not None):
            return one.symbol == symbol
        # Any that fits counts: the contract that is chosen follows the price.
        option = parse_option(one.symbol)
        return option is not None and option.right is self.alert.right

    def on_its_way(self, side: PositionSide) -> Decimal:
        """Return what our working entries of that side may still add."""
        rest = Decimal(0)
        for one in self.working(Purpose.OPEN, side=side.opened_by):
            rest = exact_sum(rest, exact_difference(one.quantity, one.filled_quantity))
        return rest
