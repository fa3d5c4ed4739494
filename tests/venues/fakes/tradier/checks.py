"""What Tradier's order service checks after it has taken an order; its code and words, or None."""

from decimal import Decimal

from sparky.domain.options import parse_option
from sparky.domain.orders import OrderType, Side
from tests.venues.fakes.book import Book
from tests.venues.fakes.tradier.forms import Form, Leg

_MARGIN = "InitialMargin: You do not have enough buying power for this trade."


def check(book: Book, account: str, form: Form, *, may_short: bool) -> str | None:
    """Return why an order is turned down."""
    entries = form.legs if form.order_class in {"multileg", "oco"} else form.legs[:1]
    for leg in form.legs:
        words = _check_terms(book, leg)
        if words is not None:
            return words
    for leg in entries:
        words = _check_side(book, account, leg, may_short=may_short)
        if words is not None:
            return words
    return _check_money(book, account, form)


def _check_terms(book: Book, leg: Leg) -> str | None:
    if leg.symbol not in book.symbols:
        return "SecurityUndefined: The security with the specified symbol does not exist."
    if leg.order_type == "market" and leg.duration == "gtc":
        return "MarketOrderIsGtc: You cannot place market orders with GTC, only day orders are allowed."
    if leg.side == "sell_short" and leg.duration == "gtc":
        return "ShortOrderIsGtc: You cannot place short stock orders with GTC."
    if leg.quantity > 10_000_000:
        return "IncorrectOrderQuantity: The number of securities should be between 1 and 10,000,000."
    for price in (leg.price, leg.stop):
        if price is not None and price % _tick(leg.symbol, price):
            return "PricePrecisionIsOutOfRange: The price is not on the step of the security."
    return None


def _tick(symbol: str, price: Decimal) -> Decimal:
    if parse_option(symbol):
        return Decimal("0.05") if price < 3 else Decimal("0.10")
    return Decimal("0.01") if price >= 1 else Decimal("0.0001")


def _check_side(book: Book, account: str, leg: Leg, *, may_short: bool) -> str | None:
    held = book.position(account, leg.symbol).quantity
    option = "Option" if parse_option(leg.symbol) else ""
    if leg.opens:
        return _check_opening(leg, held, option, may_short=may_short)
    closable = held if leg.direction is Side.SELL else -held
    if closable <= 0:
        name = "Sell" if leg.direction is Side.SELL else "BuyToCover"
        return f"Unexpected{name}Order{option}: There is no position to close."
    if leg.quantity > closable - _bound(book, account, leg):
        direction = "Long" if leg.direction is Side.SELL else "Short"
        return f"{direction}PositionCrossZero: You cannot close more than your effective position."
    return None


def _check_opening(leg: Leg, held: Decimal, option: str, *, may_short: bool) -> str | None:
    if leg.direction is Side.BUY and held < 0:
        return f"UnexpectedBuyOrder{option}: Buy order cannot be placed for short position."
    if leg.direction is Side.SELL and held > 0:
        return f"UnexpectedSellShortOrder{option}: Sell Short order cannot be placed for long positions."
    if leg.side == "sell_short" and not may_short:
        return "ShortStockTradingDeniedForAccount: Account is prohibited from short positions in stocks."
    return None


def _bound(book: Book, account: str, leg: Leg) -> Decimal:
    # Working orders to close bind the position; of a pair in which one cancels the other, one counts.
    bound: dict[str, Decimal] = {}
    for order in book.orders.values():
        asked = order.asked
        same = (asked.account, asked.symbol, asked.side) == (account, leg.symbol, leg.direction)
        if same and order.works and not order.asleep:
            bound[asked.group or order.order_id] = order.left
    return sum(bound.values(), Decimal(0))


def _check_money(book: Book, account: str, form: Form) -> str | None:
    cost = Decimal(0)
    for leg in form.legs if form.order_class == "multileg" else form.legs[:1]:
        if leg.opens and form.order_class != "oco":
            price = leg.price if leg.kind is OrderType.LIMIT and leg.price else book.price(leg.symbol)
            sign = 1 if leg.direction is Side.BUY or form.order_class != "multileg" else -1
            cost += sign * leg.quantity * price * (100 if parse_option(leg.symbol) else 1)
    return _MARGIN if cost > book.available(account) else None
