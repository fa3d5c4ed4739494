"""What planning a signal has to ask of the venue first."""

from sparky.domain.alert import Action, AlertTerms, MarketPosition
from sparky.domain.asked_size import asked_size, sizes_of
from sparky.domain.asset_kind import AssetKind, asset_kind
from sparky.domain.orders import OrderType
from sparky.domain.planner import is_exit
from sparky.domain.snapshot import Wanted
from sparky.domain.trade_settings import Settings
from sparky.domain.work_order import WorkOrder


def wanted(order: WorkOrder) -> Wanted:
    """Return what `make_plan` needs to know of this signal's account and instrument.

    A plain entry with a quantity asks nothing: where our books show nothing, it takes their word.
    """
    if order.action is Action.CLOSE_ALL:
        return Wanted(rules=False, positions=True)
    if order.action is Action.CANCEL:
        return Wanted(rules=False, position=any(one.purpose.is_exit for one in order.working))
    if order.action is Action.PROTECT:
        return Wanted(position=True)
    if order.alert.legs:
        return Wanted(positions=True, balance=_needs_balance(order))
    return _wanted_to_trade(order)


def _wanted_to_trade(order: WorkOrder) -> Wanted:
    exits = is_exit(order)
    chosen = order.alert.right is not None
    # A contract is chosen to be opened; what is sold is the one that is held, unless it may be sold short.
    leaves = exits or (chosen and _sells(order) and not order.settings.allow_short)
    return Wanted(
        position=exits
        or chosen
        or order.position is not None
        or _depends_on_position(order)
        # Exits may have outlived their position, or the position be one that our books do not show.
        or any(one.purpose.is_exit for one in order.working),
        positions=chosen and leaves,
        chain=chosen and not leaves,
        quote=_needs_quote(order, exits=exits),
        balance=_needs_balance(order),
    )


def _sells(order: WorkOrder) -> bool:
    state = order.alert.market_position
    return order.action is Action.SELL if state is None else state is MarketPosition.SHORT


def _depends_on_position(order: WorkOrder) -> bool:
    # A limit on the position, or a state to be reached, is held against what is there, not what we believe.
    return order.alert.market_position is not None or order.settings.max_position_size_usd > 0


def _needs_balance(order: WorkOrder) -> bool:
    if is_exit(order):
        return order.alert.market_position is None and any(one.name.is_share for one in sizes_of(order.alert))
    asked = asked_size(order)
    return asked is not None and asked.name.is_share


def _needs_quote(order: WorkOrder, *, exits: bool) -> bool:
    kind = asset_kind(order.exchange, order.symbol)
    # Of a pair the venue alone knows what its price is worth in the money of the account.
    prices_itself = order.alert.order_type is not OrderType.MARKET and kind is not AssetKind.FOREX
    if exits:
        money = any(one.name.is_money for one in sizes_of(order.alert))
        return money and order.alert.market_position is None and not prices_itself
    at_market = order.alert.order_type is OrderType.MARKET
    asked = asked_size(order)
    in_money = order.settings.max_position_size_usd > 0 or (asked is not None and asked.name.is_money)
    return (
        (in_money and not prices_itself)
        or (at_market and _looks_at_the_market(order.alert, order.settings))
        or (at_market and (kind is AssetKind.OPTIONS or order.alert.right is not None))
    )


def _looks_at_the_market(alert: AlertTerms, settings: Settings) -> bool:
    named = (alert.stop_loss_price, alert.take_profit_price, *(one.price for one in alert.take_profits))
    return settings.max_slippage_percent > 0 or any(price is not None for price in named)
