"""What Tradier does not take, refused before anything is sent, with its nearest."""

from typing import Final

from sparky.domain.answers import Refused
from sparky.domain.orders import ExitKind, ExitLeg, OrderRequest, OrderType, TimeInForce
from sparky.domain.reasons import Reason
from sparky.venues.tradier.symbols import is_option

MOST_LEGS: Final = 4
_LEAST_LEGS: Final = 2
EXIT_KINDS: Final = frozenset({ExitKind.TAKE_PROFIT, ExitKind.STOP_LOSS})
CARRIERS: Final = frozenset({OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT})
TIMES: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC})
CLOSED: Final = "closed"
OPEN: Final = "open"
_EXTENDED: Final = {"premarket": "pre", "postmarket": "post"}


def beyond(order: OrderRequest) -> Refused | None:
    """Return why an order is none that Tradier takes, or None."""
    tif = order.time_in_force
    if tif in {TimeInForce.IOC, TimeInForce.FOK}:
        return _not_supported(
            f"Tradier has no {tif.upper()} orders; its nearest is a day order: send time_in_force day"
        )
    if order.order_type is OrderType.MARKET and tif is TimeInForce.GTC:
        return _not_supported("Tradier takes market orders for the day only: send time_in_force day, or none")
    if order.extended_hours:
        refused = _beyond_extended(order)
        if refused is not None:
            return refused
    if order.legs:
        return _beyond_spread(order)
    return _beyond_attached(order) if order.exits else None


def _beyond_extended(order: OrderRequest) -> Refused | None:
    if order.order_type is not OrderType.LIMIT or order.legs or is_option(order.symbol):
        return _not_supported(
            "Outside regular hours Tradier takes limit orders of shares only: send a limit order, or without "
            "extended_hours"
        )
    if order.time_in_force is TimeInForce.GTC or order.exits:
        return _not_supported(
            "Tradier's orders outside regular hours last for one session and carry no exits: "
            "send time_in_force "
            "day, and the exits when the position is open"
        )
    return None


def _beyond_spread(order: OrderRequest) -> Refused | None:
    if order.exits:
        return _not_supported("Tradier attaches no exits to a spread: close it with an order of its own")
    if order.order_type not in {OrderType.MARKET, OrderType.LIMIT}:
        return _not_supported("Tradier takes spreads at the market or at a net limit price only")
    if len(order.legs) > MOST_LEGS:
        return _not_supported(f"Tradier takes spreads of at most {MOST_LEGS} legs, not {len(order.legs)}")
    if len(order.legs) < _LEAST_LEGS:
        return Refused(
            Reason.INVALID_VALUE,
            "A spread has at least two legs: send a single option as the symbol of the order.",
        )
    if any(not is_option(leg.symbol) or leg.ratio < 1 for leg in order.legs):
        return Refused(
            Reason.INVALID_VALUE,
            "Every leg of a Tradier spread is an option, such as AAPL260417C00200000, with a "
            "ratio of at least 1.",
        )
    return None


def _beyond_attached(order: OrderRequest) -> Refused | None:
    if order.order_type not in CARRIERS:
        return _not_supported(
            "Tradier attaches exits to limit, stop and stop-limit entries only; its nearest is "
            "a market entry "
            "without exits, and the exits when the position is open"
        )
    if order.reduce_only:
        return exits_of_a_close(order)
    return beyond_exits(order.exits)


def exits_of_a_close(order: OrderRequest) -> Refused:
    """Return the refusal of exits for an order that closes something: nothing is open for them afterwards."""
    return _not_supported(
        f"This order closes a position in {order.symbol}, and a closing order carries no exits: send it "
        "without them"
    )


def beyond_exits(exits: tuple[ExitLeg, ...]) -> Refused | None:
    """Return why exits are none that Tradier takes together, or None."""
    kinds = [one.kind for one in exits]
    if ExitKind.TRAILING_STOP in kinds:
        return _not_supported(
            "Tradier has no trailing stops in its API; its nearest is a stop-loss at a price"
        )
    if not kinds or len(set(kinds)) != len(kinds):
        return _not_supported(
            "Tradier takes one take-profit and one stop-loss of a position: send one of each"
        )
    return None


def closed_market(order: OrderRequest, state: str) -> Refused | None:
    """Return why an order cannot be sent in a state of the market, or None.

    A market order that opens something would wait for the next opening and be filled at whatever price that
    brings; one that closes is left to wait, because getting out late is better than not at all.
    """
    if order.extended_hours and state == CLOSED:
        return Refused(
            Reason.MARKET_CLOSED,
            "The market is closed, also for extended hours: send the alert between 7:00 and "
            "20:00 New York time "
            "on a trading day.",
            state,
        )
    if state == OPEN or order.extended_hours or order.reduce_only:
        return None
    if order.order_type is not OrderType.MARKET:
        return None
    return Refused(
        Reason.MARKET_CLOSED,
        "The market is closed, and Tradier would fill this market order at the next opening: "
        "send it between 9:30 "
        "and 16:00 New York time, or send a limit order.",
        state,
    )


def duration(order: OrderRequest, state: str) -> str:
    """Return Tradier's word for how long an order works."""
    if order.extended_hours:
        return _EXTENDED.get(state, "day")
    return "gtc" if order.time_in_force is TimeInForce.GTC else "day"


def _not_supported(sentence: str) -> Refused:
    return Refused(Reason.NOT_SUPPORTED, f"{sentence}.")
