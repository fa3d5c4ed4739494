"""What Tradier's refusals mean to us: the codes of its order checks, and words that come without a code.

The codes are those of the order service behind Tradier (https://documentation.tradier.com/brokerage-api,
order errors). The manual of that service, ETNA Trader, spells them out: "Inability to Place a New Order".
"""

import re
from collections.abc import Mapping
from typing import Final

from sparky.domain.reasons import Reason
from sparky.venues.refusals import Advice

_MONEY: Final = Advice(
    Reason.INSUFFICIENT_FUNDS, "Send a smaller size, or add money to the Tradier account first."
)
_SYMBOL: Final = Advice(Reason.UNKNOWN_SYMBOL, "Check the symbol; options are spelt as AAPL260417C00200000.")
_SHORT: Final = Advice(
    Reason.SHORT_NOT_ALLOWED, "Trade this symbol long only, or ask Tradier to allow selling it short."
)
_CROSSING: Final = Advice(
    Reason.NOT_SUPPORTED,
    "Close the position and cancel its working orders first, then open the other side with an "
    "order of its own.",
)
_NOTHING_OPEN: Final = Advice(
    Reason.NO_POSITION, "Nothing that is free to be closed is open: cancel the working exits first, if any."
)
_PRICE: Final = Advice(
    Reason.INVALID_PRICE, "Correct the price: buy stops are above the market, sell stops below it."
)
_TICK: Final = Advice(Reason.INVALID_PRICE, "Send a price on the step of the symbol.")
_TOO_MUCH: Final = Advice(Reason.ABOVE_MAXIMUM, "Send a smaller size.")
_SIZE: Final = Advice(Reason.INVALID_VALUE, "Send a whole number of shares or contracts.")
_DURATION: Final = Advice(Reason.NOT_SUPPORTED, "Send time_in_force day.")
_PERMISSION: Final = Advice(
    Reason.VENUE_REFUSED, "Ask Tradier to allow this kind of trade for the account, or use another account."
)
_DAY_TRADES: Final = Advice(
    Reason.VENUE_REFUSED, "The rules for day traders forbid it: wait until the next day, or add money."
)
_WASH: Final = Advice(
    Reason.VENUE_REFUSED, "Cancel the working order of the other side in this symbol first, then send again."
)
_CLOSED: Final = Advice(
    Reason.MARKET_CLOSED, "Send it again when the market is open, 9:30 to 16:00 in New York."
)
_LATER: Final = Advice(Reason.VENUE_REFUSED, "Send the alert again later.")
_OTHER: Final = Advice(
    Reason.VENUE_REFUSED, "Correct the alert by these words, or ask Tradier what they mean."
)

_GROUPS: Final[tuple[tuple[Advice, str], ...]] = (
    (_MONEY, "InitialMargin MaintenanceMargin TotalInitialMargin DayTradingBuyingPowerExceeded"),
    (_SYMBOL, "SecurityUndefined ExpirationDateUndefined OptionTypeUndefined StrikePriceUndefined"),
    (
        _SHORT,
        (
            "ShortStockTradingDeniedForAccount ShortOptionTradingDeniedForAccount "
            "ShortTradingDeniedForSecurity SellShortOrderLastPriceBelow5"
        ),
    ),
    (
        _CROSSING,
        (
            "LongPositionCrossZero ShortPositionCrossZero UnexpectedBuyOrder UnexpectedBuyOrderOption "
            "UnexpectedSellShortOrder UnexpectedSellShortOrderOption OrderWithDifferentSide"
        ),
    ),
    (
        _NOTHING_OPEN,
        (
            "UnexpectedSellOrder UnexpectedSellOrderOption UnexpectedBuyToCoverOrder "
            "UnexpectedBuyToCoverOrderOption PositionLocked"
        ),
    ),
    (
        _PRICE,
        (
            "BuyStopOrderStopPriceLessAsk SellStopOrderStopPriceGreaterBid OrderPriceIsInvalid "
            "PriceOutOfMarket LimitPriceUndefined StopPriceUndefined FatFingersTradeBands "
            "OcoPriceDifferenceIsLessThanDelta"
        ),
    ),
    (
        _TICK,
        (
            "PennyPilotDivisionPrice PricePrecisionIsOutOfRange TickSizePilotDivisionLimitPrice "
            "TickSizePilotDivisionStopPrice"
        ),
    ),
    (
        _TOO_MUCH,
        "FatFingersStockSizeExceedsMaximum FatFingersOptionsSizeExceedsMaximum FatFingersValueExceedsMaximum",
    ),
    (_SIZE, "IncorrectOrderQuantity OrderQuantity QuantityConsistency"),
    (_DURATION, "MarketOrderIsGtc ShortOrderIsGtc IncorrectTimeInForce"),
    (
        _PERMISSION,
        (
            "OptionLevelRestriction LongOptionTradingDeniedForAccount SpreadTradingDeniedForAccount "
            "AccountDisabled "
            "AccountIsNotApproved AccountMarginRuleViolation AssetTradingNotConfiguredForAccount "
            "TradingDeniedForAccount "
            "TradingDeniedForSecurity TradingIsNotAllowedForAccount OrderIsNotAllowedForAccount UserDisabled "
            "TradeNonStandartOptions TradeOTC TradeOptionAfter1pmAtExpirationDay"
        ),
    ),
    (_DAY_TRADES, "DayTraderPatternRestriction TooSmallEquityForDayTrading"),
    (_WASH, "WashTradeAttempt OcoOrderWithOppositeLegs"),
    (_LATER, "QuotePriceIsInvalid SnapQuoteIsInvalid"),
)
_ADVICE: Final[Mapping[str, Advice]] = {code: advice for advice, codes in _GROUPS for code in codes.split()}
_UNDECIDED: Final = ("OmsUnavailable", "OmsInternalError", "order service is not available", "unknown error")
_WORDS: Final[tuple[tuple[re.Pattern[str], Advice], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (r"buying power|insufficient (funds|cash)|not enough", _MONEY),
        (r"(invalid|unknown).{0,30}symbol|symbol.{0,40}(does not exist|not found|invalid)", _SYMBOL),
        (r"market is closed|outside (of )?market hours|not available.{0,30}session", _CLOSED),
        (r"short", _SHORT),
        (r"price|stop|increment", _PRICE),
        (r"quantity|contracts", _SIZE),
        (r"duration", _DURATION),
    )
)
# Said of a close while working orders count against its position.
_BOUND: Final = frozenset(
    {
        "LongPositionCrossZero",
        "ShortPositionCrossZero",
        "UnexpectedSellOrder",
        "UnexpectedSellOrderOption",
        "UnexpectedBuyToCoverOrder",
        "UnexpectedBuyToCoverOrderOption",
    }
)
_CODE: Final = re.compile(r"[A-Za-z0-9]+")


def code_in(words: str) -> str | None:
    """Return the code of an order check that the words hold, if any."""
    return next((word for word in _CODE.findall(words) if word in _ADVICE), None)


def advice_for(words: str) -> Advice:
    """Return what a refusal means, by its code or else by its words."""
    code = code_in(words)
    if code is not None:
        return _ADVICE[code]
    return next((advice for pattern, advice in _WORDS if pattern.search(words)), _OTHER)


def is_undecided(words: str) -> bool:
    """Tell whether the words say that the order service failed: the order may exist or not."""
    return any(mark.casefold() in words.casefold() for mark in _UNDECIDED)


def is_bound(code: str | None) -> bool:
    """Tell whether a close was turned down for want of a position that no other order closes."""
    return code in _BOUND
