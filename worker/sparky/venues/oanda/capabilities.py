"""What OANDA can do, and a sentence for each thing that it cannot."""

from typing import Final

from sparky.domain.answers import Refused
from sparky.domain.capabilities import Capabilities
from sparky.domain.orders import ExitKind, OrderRequest, OrderType, TimeInForce
from sparky.domain.reasons import Reason

_EXITS: Final = frozenset(ExitKind)
_ENTRIES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP})

CAPABILITIES: Final = Capabilities(
    order_types=_ENTRIES,
    times_in_force=frozenset(TimeInForce),
    attached_exits=dict.fromkeys(_ENTRIES, _EXITS),
    separate_exits=_EXITS,
    cancels_siblings=True,
    reduces_natively=True,
)

NO_LEVERAGE: Final = (
    "OANDA sets leverage for the whole account and not by order: set the margin rate on OANDA's own pages, "
    "and leave leverage out of the alert."
)
NO_OPTIONS: Final = "OANDA has no options: send the alert for one of its instruments."
_NO_STOP_LIMIT: Final = (
    "OANDA has no stop-limit orders; its nearest is a stop order with a price bound, and Sparky does not "
    "send that one in its place: use a stop order or a limit order."
)
_NO_EXTENDED_HOURS: Final = (
    "OANDA has no extended hours, its instruments trade in their own: leave extended_hours out of the alert."
)
_MARKET_TIMES: Final = (
    "OANDA fills a market order at once or not at all: leave time_in_force out, or use fok or ioc."
)
_EXITS_OF_A_CLOSE: Final = (
    "OANDA binds take-profits and stops to the trade that an order opens, and this order only closes: "
    "leave them out of the alert."
)


def unsupported(sentence: str) -> Refused:
    """Refuse what the venue cannot do."""
    return Refused(Reason.NOT_SUPPORTED, sentence)


def refusal_of(order: OrderRequest) -> Refused | None:
    """Refuse an order that is not of the kinds OANDA knows; None when it is."""
    if order.legs:
        return unsupported(NO_OPTIONS)
    if order.order_type not in CAPABILITIES.order_types:
        return unsupported(_NO_STOP_LIMIT)
    if order.extended_hours:
        return unsupported(_NO_EXTENDED_HOURS)
    lasting = order.time_in_force in {TimeInForce.GTC, TimeInForce.DAY}
    if order.order_type is OrderType.MARKET and lasting:
        return unsupported(_MARKET_TIMES)
    if order.reduce_only and order.exits:
        return unsupported(_EXITS_OF_A_CLOSE)
    return None
