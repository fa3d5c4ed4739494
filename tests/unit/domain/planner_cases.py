"""Work orders and what a venue shows, drawn over the whole alert language and every setting.

A case is drawn from one number: a hundred choices one by one would take Hypothesis longer than the planning.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final, TypeVar

from sparky.domain.answers import Balance, Quote, VenuePosition
from sparky.domain.capabilities import Capabilities
from sparky.domain.orders import ExitKind, OrderType, PositionSide, TimeInForce
from sparky.domain.plan import Decision
from sparky.domain.planner import make_plan
from sparky.domain.rules import InstrumentRules
from sparky.domain.snapshot import NO_RULES, Snapshot
from sparky.domain.wanted import wanted
from sparky.domain.work_order import Position, WorkOrder
from tests.unit.domain.planning import working
from tests.unit.domain.work_orders import CAN_ALL, NOW, work_order

T = TypeVar("T")

STEPS: Final = [Decimal(text) for text in ("0.00000001", "0.001", "0.1", "0.25", "1", "100")]
MINIMA: Final = [Decimal(text) for text in ("0", "0.001", "0.3", "1", "7")]
ENTRY_SIZES: Final = (
    "quantity",
    "position_size_usd",
    "position_size_percent",
    "risk_usd",
    "risk_percent",
)
LIMITS: Final = ("max_trades_per_day", "max_open_positions", "max_daily_loss_usd", "cooldown_sec")
ONE_TARGET: Final = replace(CAN_ALL, reduces_natively=False, several_targets=False)
FEW: Final = replace(
    CAN_ALL,
    order_types=frozenset({OrderType.MARKET}),
    times_in_force=frozenset({TimeInForce.GTC}),
    attached_exits={},
    separate_exits=frozenset({ExitKind.STOP_LOSS}),
    sets_leverage=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerCase:
    """A signal, everything the venue could show of it, and the moment."""

    order: WorkOrder
    shown: Snapshot
    now: datetime

    def decide(self) -> Decision:
        return make_plan(self.order, self.asked, self.now)

    @property
    def asked(self) -> Snapshot:
        """What the engine has asked for, and no more."""
        asks = wanted(self.order)
        return replace(
            self.shown,
            rules=self.shown.rules if asks.rules else NO_RULES,
            position=self.shown.position if asks.position else None,
            positions=self.shown.positions if asks.positions else (),
            quote=self.shown.quote if asks.quote else None,
            balance=self.shown.balance if asks.balance else None,
        )

    def with_position(self, held: VenuePosition | None) -> "PlannerCase":
        """Return the case with another position, which our books know."""
        known = None
        if held is not None:
            known = Position(side=held.side, quantity=held.quantity, entry_price=held.entry_price)
        return replace(
            self,
            order=replace(self.order, position=known),
            shown=replace(self.shown, position=held),
        )


class Draw:
    """Draws one case from a number."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - what is drawn has to be drawn again

    def one(self, *values: T) -> T:
        return self._random.choice(values)

    def chance(self, share: float = 0.15) -> bool:
        return self._random.random() < share

    def seldom(self, value: T, otherwise: T, *, share: float = 0.15) -> T:
        return value if self.chance(share) else otherwise

    def amount(self, most: int = 10**6) -> str:
        """Return a number above zero, mostly small."""
        bound = self.one(10**4, 10**6, most * 10**4)
        return f"{Decimal(self._random.randint(1, bound)) / 10**4}"

    def price(self) -> Decimal:
        return Decimal(self._random.randint(50, self._random.choice([10**3, 10**7]))) / 100

    def case(self) -> PlannerCase:
        rules = self._rules()
        bid, equity = self.price(), Decimal(self._random.randint(-100, 10**8)) / 100
        quote = Quote(
            symbol="BTCUSDT",
            bid=bid,
            ask=bid + self.one(Decimal(0), Decimal("0.01"), Decimal(7)),
            account_rate=self.one(Decimal(1), Decimal(1), Decimal("0.0067")),
        )
        shown = Snapshot(
            capabilities=self._capabilities(),
            rules=rules,
            quote=self.seldom(None, quote),
            balance=Balance(currency="USD", equity=equity, available=equity / 2),
        )
        age = self.seldom(timedelta(seconds=self.one(59, 61, 10**6)), timedelta(0), share=0.08)
        case = PlannerCase(order=self._order(bid), shown=shown, now=NOW + age)
        return case.with_position(self._position(rules))

    def _rules(self) -> InstrumentRules:
        step = self.one(*STEPS)
        return InstrumentRules(
            symbol="BTCUSDT",
            quantity_step=step,
            price_tick=Decimal("0.01"),
            min_quantity=self.one(*MINIMA),
            min_notional=self.one(*MINIMA),
            can_short=not self.chance(),
            max_quantity=self.seldom(Decimal(1000), None),
            multiplier=self.seldom(Decimal(100), Decimal(1)),
            market_quantity_step=self.seldom(step * 5, None),
        )

    def _capabilities(self) -> Capabilities:
        return self.seldom(FEW, self.one(CAN_ALL, CAN_ALL, ONE_TARGET), share=0.08)

    def _position(self, rules: InstrumentRules) -> VenuePosition | None:
        steps = self.one(0, 0, self._random.randint(1, 100), self._random.randint(1, 10**6))
        if not steps:
            return None
        return VenuePosition(
            symbol="BTCUSDT",
            side=self.one(*PositionSide),
            quantity=rules.quantity_step * steps,
            entry_price=Decimal(100),
        )

    def _order(self, near: Decimal) -> WorkOrder:
        exits = self.one("close", "close_long", "close_short", "cancel")
        action = self.seldom(exits, self.one("buy", "sell"), share=0.2)
        limit = {
            "name": self.one(*LIMITS),
            "scope": "all",
            "limit": "5",
            "used": "1",
            "ok": not self.chance(),
        }
        return work_order(
            exchange=self.one("paper", "aster", "tradier", "oanda"),
            action=action,
            is_exit=self.chance(0.1),
            alert=self._alert(action, near),
            settings=self._settings(),
            working=self._working(),
            limits=[limit] if self.chance(0.5) else [],
        )

    def _alert(self, action: str, near: Decimal) -> dict[str, Any]:
        trades = action in {"buy", "sell"}
        size = self.one(*ENTRY_SIZES, None) if trades else self.one("quantity", "close_percent", None)
        sizes = {} if size is None else {size: self._size(size)}
        if self.chance(0.05):
            sizes["close_percent"] = "50"
        beside = f"{near + self.one(Decimal(0), Decimal(1), Decimal('0.005'))}"
        return {
            **sizes,
            "order_type": self.seldom(self.one(*OrderType), OrderType.MARKET, share=0.3).value,
            "price": self.one(None, beside, beside),
            "stop_price": self.seldom(None, beside),
            "time_in_force": self.seldom(self.one("gtc", "fok"), None),
            "leverage": self.seldom(self.one(0, 3, 50), None),
            **self._exits(near),
            "reduce_only": self.chance(0.1),
            "dry_run": self.chance(0.05),
            "market_position": self.seldom(self.one("long", "short", "flat"), None, share=0.3),
            "market_position_size": self.one(None, self.amount(10)),
            "prev_market_position": self.one(None, "long", "short", "flat"),
        }

    def _exits(self, near: Decimal) -> dict[str, Any]:
        halves = [{"percent": "4", "quantity_percent": "50"}, {"percent": "8", "quantity_percent": "50"}]
        beside = f"{max(near + self.one(Decimal(-3), Decimal(5)), Decimal('0.01'))}"
        return self.one(
            {},
            {},
            {"stop_loss_percent": self.one("1", "2.5", "100"), "take_profit_percent": self.one(None, "4")},
            {"stop_loss_price": beside},
            {"take_profit_price": f"{near * 2}", "stop_loss_price": f"{near / 2}"},
            {"stop_loss_percent": "1", "take_profits": halves},
            {"trailing_stop_percent": "2"},
            {"trailing_stop_pips": "30"},
            {"stop_loss_percent": "2", "use_trailing_stop": True},
        )

    def _size(self, name: str) -> str:
        if name in {"quantity", "position_size_usd"}:
            return self.amount()
        return f"{Decimal(self._random.randint(1, 1000)) / 10}"

    def _settings(self) -> dict[str, Any]:
        return {
            "trading_halted": self.chance(0.05),
            "halt_reason": self.one(None, "maintenance"),
            "enabled": not self.chance(0.05),
            "on_opposite": self.one("reverse", "reverse", "close", "reject", "default"),
            "pyramiding": self.chance(0.5),
            "allow_short": self.seldom(None, not self.chance(), share=0.25),
            "max_signal_age_sec": self.one(0, 60),
            "max_exit_age_sec": self.seldom(60, 0),
            "max_position_size_usd": self.one("0", "0", "1000", "50000"),
            "position_size_percent": self.one("0", "10"),
            "max_leverage": self.one("0", "0.5", "10", "20.5"),
            "max_slippage_percent": self.seldom(self.one("5", "50"), "0"),
            "stop_loss_percent": self.one("0", "0", "3"),
            "strategy": {"name": "Moon", "active": False} if self.chance(0.05) else None,
        }

    def _working(self) -> list[dict[str, Any]]:
        found = []
        for _ in range(self.seldom(self.one(1, 2, 3), 0, share=0.3)):
            purpose = self.one("open", "open", "stop_loss", "take_profit", "close")
            price = {"take_profit": "limit_price", "stop_loss": "stop_price"}.get(purpose)
            order = {"purpose": purpose, "side": self.one("buy", "sell"), "quantity": "1.5"}
            found.append(order | ({} if price is None else {price: "100"}))
        return working(*found)


def drawn_case(seed: int) -> PlannerCase:
    return Draw(seed).case()
