"""What a unit of the instrument is worth, for sizes and limits that are in money."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from sparky.domain.asset_kind import AssetKind
from sparky.domain.case import Case
from sparky.domain.order_terms import OrderTerms
from sparky.domain.orders import Side
from sparky.domain.reasons import Reason
from sparky.domain.rules import exact_product


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price, and `rate`: what a unit of its currency is worth in the account's; None where unknown."""

    amount: Decimal
    rate: Decimal | None
    source: str

    def __str__(self) -> str:
        rate = "" if self.rate in {None, Decimal(1)} else f" x {self.rate:f}"
        return f"{self.amount:f}{rate} ({self.source})"

    def in_account(self, amount: Decimal) -> Decimal | None:
        """Return an amount of the price's currency in the account's own, without rounding."""
        return None if self.rate is None else exact_product(amount, self.rate)


def price_of(case: Case, side: Side, terms: OrderTerms) -> Price | None:
    """Return the price that counts: the order's own, else the venue's quote, else what the alert saw.

    None where there is none of them.
    """
    quote = case.snapshot.quote
    if quote is not None:
        rate: Decimal | None = quote.account_rate
    else:
        # Pairs are quoted in every currency; elsewhere a price is in the money of the account.
        rate = None if case.kind is AssetKind.FOREX else Decimal(1)
    if terms.price is not None:
        return Price(amount=terms.price, rate=rate, source="the order's price")
    if quote is not None:
        late = ", delayed" if quote.is_delayed else ""
        return Price(amount=quote.to_trade(side), rate=rate, source=f"the venue's quote{late}")
    if terms.reference_price is not None:
        return Price(amount=terms.reference_price, rate=rate, source="the alert's price")
    return None


def check_slippage(case: Case, side: Side, terms: OrderTerms) -> None:
    """Let a market entry pass only while the market is no worse than the alert's price by the setting.

    What cannot be compared does not pass.

    Raises:
        Declined: the market is worse, or there is nothing to compare.
    """
    most = case.settings.max_slippage_percent
    if most == 0 or terms.price is not None:
        return
    seen, quote = terms.reference_price, case.snapshot.quote
    if seen is None:
        case.findings.refuse(
            "max_slippage_percent",
            "no price in the alert",
            f"{most:f} %",
            Reason.MISSING_FIELD,
            f"The setting max_slippage_percent is {most:f}, and the alert has no price to hold the market "
            f'against: add "price": "{{{{close}}}}" to the alert, or set it to 0 (no limit).',
        )
    if quote is None:
        refuse_without_price(case, "max_slippage_percent", f"{most:f} %")
    now = quote.to_trade(side)
    worse = now - seen if side is Side.BUY else seen - now
    value = f"{now:f} against {seen:f}"
    if exact_product(worse, Decimal(100)) > exact_product(seen, most):
        case.findings.refuse(
            "max_slippage_percent",
            value,
            f"{most:f} %",
            Reason.MAX_SLIPPAGE,
            f"The market is at {now:f} and the alert's price is {seen:f}, which is worse by more than the "
            f"{most:f} per cent of the setting max_slippage_percent: send the alert again at a price of now, "
            f"or raise it (0 means no limit).",
        )
    case.findings.passed("max_slippage_percent", value, f"{most:f} %")


def refuse_without_price(case: Case, setting: str, limit: str) -> NoReturn:
    """End planning because a setting cannot be held against the market.

    Raises:
        Declined: always.
    """
    case.findings.refuse(
        setting,
        "no price",
        limit,
        Reason.NO_PRICE,
        f"The setting {setting} ({limit}) cannot be checked, because {case.order.exchange} has no price of "
        f"{case.symbol} in the money of the account now: send the alert again later, or set it to 0 (no "
        f"limit).",
    )
