"""Single options: which contract an alert means, and the limit at which it is bought.

Options are never sent at the market unless there is no other way: the limit is the venue's ask, raised by
the setting `entry_limit_offset_percent`, and for one that is sold to open the bid, lowered by it.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from sparky.domain.answers import Quote, VenuePosition
from sparky.domain.options import OptionContract, OptionSymbol, parse_option
from sparky.domain.orders import Side
from sparky.domain.plan import Rejection
from sparky.domain.reasons import Reason
from sparky.domain.rules import exact_difference, exact_product
from sparky.domain.snapshot import Snapshot
from sparky.domain.work_order import WorkOrder

_STANDARD: Final = Decimal(100)
_HUNDREDTH: Final = Decimal("0.01")
_HALF: Final = Decimal("0.5")
_MOST_SHOWN: Final = 5
# Options on an index that expire in the afternoon have a root of their own.
_WEEKLY_ROOTS: Final = {"NDX": "NDXP", "RUT": "RUTW", "SPX": "SPXW", "VIX": "VIXW"}


def pick_expiration(order: WorkOrder, expirations: Sequence[date], today: date) -> date | Rejection:
    """Return the expiration that an alert for an option means, of those that the venue lists.

    `today` is the day in New York. With `expiration` it is that day, with `dte` the first one at least so
    many days ahead, with neither the first one after today.
    """
    alert = order.alert
    listed = sorted(day for day in expirations if day >= today)
    if not listed:
        return Rejection(
            Reason.UNKNOWN_SYMBOL,
            f"{order.exchange} lists no options on {order.symbol} that have not expired: check the symbol.",
        )
    if alert.expiration is not None:
        wanted = alert.expiration
        if wanted in listed:
            return wanted
        nearest = min(listed, key=lambda day: (abs(day - wanted), day))
        return Rejection(
            Reason.UNKNOWN_SYMBOL,
            f"{order.exchange} lists no options on {order.symbol} for expiration {wanted}; the nearest is "
            f"{nearest}: send that, or dte.",
        )
    least = today + timedelta(days=1 if alert.dte is None else alert.dte)
    later = [day for day in listed if day >= least]
    if later:
        return later[0]
    asked = "an expiration after today" if alert.dte is None else f"dte {alert.dte}"
    return Rejection(
        Reason.UNKNOWN_SYMBOL,
        f"The last expiration of options on {order.symbol} that {order.exchange} lists is {listed[-1]}, "
        f"which is before {least} ({asked}): send an earlier one.",
    )


def pick_contract(
    order: WorkOrder, chain: Sequence[OptionContract], underlying: Quote
) -> OptionContract | Rejection:
    """Return the contract of one expiration that an alert means.

    With `strike` it is the nearest listed one within the setting `strike_tolerance_percent`, else the one
    nearest to the price of the underlying; of two equally near ones the lower. Only contracts that deliver
    100 are taken: others come of splits and mergers and do not follow the price.
    """
    alert = order.alert
    standard = [one for one in chain if one.right is alert.right and one.multiplier == _STANDARD]
    if not standard:
        return Rejection(
            Reason.UNKNOWN_SYMBOL,
            f"{order.exchange} lists no {alert.right} on {order.symbol} for that expiration: send another "
            f"expiration.",
        )
    wanted = alert.strike if alert.strike is not None else price_of(underlying)
    nearest = min(standard, key=lambda one: (abs(exact_difference(one.strike, wanted)), one.strike))
    if alert.strike is None:
        return nearest
    tolerance = order.settings.strike_tolerance_percent
    distance = abs(exact_difference(nearest.strike, wanted))
    if distance <= exact_product(exact_product(wanted, tolerance), _HUNDREDTH):
        return nearest
    return Rejection(
        Reason.UNKNOWN_SYMBOL,
        f"The nearest {alert.right} on {order.symbol} of {nearest.expiration} to strike {alert.strike:f} has "
        f"{nearest.strike:f}, which is beyond strike_tolerance_percent {tolerance:f}: send a listed strike, "
        f"or raise the tolerance.",
    )


def option_entry_limit(order: WorkOrder, snapshot: Snapshot, side: Side) -> Decimal | Rejection:
    """Return the limit price of an option that is opened at the market, on the tick."""
    near, rules = _price_to_open(snapshot, side), snapshot.rules
    if near is None:
        word = "ask" if side is Side.BUY else "bid"
        return Rejection(
            Reason.NO_PRICE,
            f"{order.exchange} has no {word} for {rules.symbol} now, so there is no price to {side} it at: "
            f"send the alert again when the market is open, or a limit order with a price.",
        )
    offset = exact_product(order.settings.entry_limit_offset_percent, _HUNDREDTH)
    if side is Side.BUY:
        return rules.price_up(exact_product(near, exact_difference(Decimal(1), -offset)))
    return rules.price_down(exact_product(near, exact_difference(Decimal(1), offset))) or near


def open_contract(order: WorkOrder, positions: Iterable[VenuePosition]) -> VenuePosition | Rejection | None:
    """Return the open option that an alert for an underlying means: by right, and strike and expiration.

    None when none is open. Where several are, the alert has to say which.
    """
    held = sorted(
        (one for one in positions if _is_meant(order, parse_option(one.symbol))), key=lambda one: one.symbol
    )
    if len(held) <= 1:
        return held[0] if held else None
    shown = ", ".join(one.symbol for one in held[:_MOST_SHOWN])
    more = "" if len(held) <= _MOST_SHOWN else f" and {len(held) - _MOST_SHOWN} more"
    return Rejection(
        Reason.UNKNOWN_FIELD_COMBINATION,
        f"{len(held)} options on {order.symbol} are open that the alert may mean ({shown}{more}): add strike "
        f"and expiration, or send one of these as the symbol.",
    )


def price_of(quote: Quote) -> Decimal:
    """Return the one price that stands for a quote: the middle, else the last, else the side there is."""
    if quote.bid is not None and quote.ask is not None:
        return exact_product(exact_difference(quote.bid, -quote.ask), _HALF)
    return quote.last or quote.to_trade(Side.BUY)


def is_on(option: OptionSymbol, underlying: str) -> bool:
    """Tell whether an option is one on an underlying: OCC symbols spell a class of shares without a mark."""
    return option.root in {underlying.replace(".", ""), _WEEKLY_ROOTS.get(underlying)}


def _price_to_open(snapshot: Snapshot, side: Side) -> Decimal | None:
    """Return the venue's price for that side: of the quote, else of the chain."""
    prices = [
        source.ask if side is Side.BUY else source.bid
        for source in (snapshot.quote, snapshot.contract)
        if source is not None
    ]
    return next((price for price in prices if price), None)


def _is_meant(order: WorkOrder, option: OptionSymbol | None) -> bool:
    alert = order.alert
    return (
        option is not None
        and is_on(option, order.symbol)
        and alert.right in {None, option.right}
        and alert.strike in {None, option.strike}
        and alert.expiration in {None, option.expiration}
    )
