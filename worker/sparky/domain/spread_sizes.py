"""How many spreads: by quantity, or by money against the net price that a buyer pays."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sparky.domain.orders import Side
from sparky.domain.plan import Check, Rejection
from sparky.domain.reasons import Reason
from sparky.domain.rules import exact_product, round_down_to_step
from sparky.domain.snapshot import Snapshot
from sparky.domain.work_order import WorkOrder

_DELIVERED: Final = Decimal(100)
_HUNDREDTH: Final = Decimal("0.01")
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class SpreadSize:
    """How many spreads, at least one."""

    count: int
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A size by its name in the alert or the settings: spreads, or money to spend on them."""

    name: str
    spreads: Decimal | None = None
    money: Decimal | None = None


def size_of_spread(order: WorkOrder, snapshot: Snapshot, side: Side) -> SpreadSize | Rejection:
    """Size a spread that is opened: exactly one size, rounded down, cut to max_position_size_usd."""
    asked = _asked(order, snapshot)
    if isinstance(asked, Rejection):
        return asked
    counted = _counted(order, asked, side)
    if isinstance(counted, Rejection):
        return counted
    checks: tuple[Check, ...] = (Check(asked.name, counted >= 1, f"{counted} spreads", "at least 1"),)
    if counted < 1:
        return Rejection(
            Reason.BELOW_MINIMUM,
            f"{asked.name} comes to no whole spread on {order.symbol}: raise the size.",
            checks=checks,
        )
    return _capped(order, counted, checks)


def _asked(order: WorkOrder, snapshot: Snapshot) -> _Asked | Rejection:
    alert = order.alert
    sizes = {
        "quantity": alert.quantity,
        "position_size_usd": alert.position_size_usd,
        "position_size_percent": alert.position_size_percent,
        "risk_percent": alert.risk_percent,
        "risk_usd": alert.risk_usd,
        "close_percent": alert.close_percent,
    }
    given = {name: value for name, value in sizes.items() if value is not None}
    if len(given) > 1:
        shown = ", ".join(f"{name} {value:f}" for name, value in given.items())
        return Rejection(
            Reason.SIZE_CONFLICT,
            f"The alert says how much in more than one way ({shown}): keep one of them.",
        )
    name, value = next(iter(given.items()), ("the setting position_size_percent", Decimal(0)))
    if not given and order.settings.position_size_percent > 0:
        value = order.settings.position_size_percent
    if value == 0:
        return Rejection(
            Reason.NO_SIZE,
            "The alert does not say how many spreads: add quantity, or set position_size_percent in your "
            "settings.",
        )
    if name == "quantity":
        return _Asked(f"quantity {value:f}", spreads=value)
    if name == "position_size_usd":
        return _Asked(f"position_size_usd {value:f}", money=value)
    if name.endswith("position_size_percent"):
        return _of_percent(f"{name} {value:f}", value, snapshot)
    return Rejection(
        Reason.NOT_SUPPORTED,
        f"{name} {value:f} does not size a spread: send quantity, position_size_usd or "
        f"position_size_percent.",
    )


def _of_percent(name: str, percent: Decimal, snapshot: Snapshot) -> _Asked | Rejection:
    if snapshot.balance is None:
        return Rejection(
            Reason.VENUE_UNAVAILABLE,
            f"{name} needs the account's balance, which the venue did not tell, so nothing was opened: send "
            f"quantity instead, or the alert again.",
        )
    available = max(snapshot.balance.available, Decimal(0))
    return _Asked(name, money=exact_product(exact_product(available, percent), _HUNDREDTH))


def _counted(order: WorkOrder, asked: _Asked, side: Side) -> int | Rejection:
    if asked.spreads is not None:
        return int(asked.spreads)
    if side is Side.SELL:
        return Rejection(
            Reason.NOT_SUPPORTED,
            f"{asked.name} sizes what a spread costs, and one that is sold costs nothing to open: send "
            f"quantity.",
        )
    if order.alert.price is None:
        return Rejection(
            Reason.MISSING_FIELD,
            f"{asked.name} needs the net price of one spread to become a number of spreads: add price, or "
            f"send quantity.",
        )
    money = asked.money or Decimal(0)
    cost = exact_product(order.alert.price, _DELIVERED)
    return int(round_down_to_step(money, cost) / cost)


def _capped(order: WorkOrder, count: int, checks: tuple[Check, ...]) -> SpreadSize | Rejection:
    limit = order.settings.max_position_size_usd
    if limit == 0:
        return SpreadSize(count, checks)
    if order.alert.price is None:
        return Rejection(
            Reason.MISSING_FIELD,
            f"The setting max_position_size_usd is {limit:f}, and a spread at the market has no known price "
            f"to hold against it, so nothing was opened: add price, the net price of one spread.",
            checks=checks,
        )
    cost = exact_product(order.alert.price, _DELIVERED)
    most = int(round_down_to_step(limit, cost) / cost)
    worth = exact_product(cost, Decimal(count))
    checks = (*checks, Check("max_position_size_usd", most >= 1, f"{worth:f}", f"{limit:f}"))
    if most < 1:
        return Rejection(
            Reason.ABOVE_MAXIMUM,
            f"One spread at {order.alert.price:f} is worth {cost:f}, and the setting max_position_size_usd "
            f"is {limit:f}: raise the setting, or choose a cheaper spread.",
            checks=checks,
        )
    if count <= most:
        return SpreadSize(count, checks)
    note = f"Cut from {count} to {most} spreads by the setting max_position_size_usd {limit:f}."
    return SpreadSize(most, checks, (note,))
