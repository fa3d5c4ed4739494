"""Which exits an entry is to have: those of its alert, and for what that leaves out those of the settings.

A trailing stop counts as a stop, so it keeps the stop-loss of the settings away. `use_trailing_stop` lets the
stop trail: by `trailing_stop_percent` or `trailing_stop_pips` where one is given, else by the percent of the
stop-loss. Without it a trailing stop and a stop-loss stand beside each other.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sparky.domain.alert import AlertTerms
from sparky.domain.orders import ExitKind
from sparky.domain.plan import Rejection
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules, exact_product
from sparky.domain.trade_settings import Settings

MOST_TARGETS: Final = 10
"""So many take-profits an alert may have: exits are numbered below the leg of an emergency."""

_WHOLE: Final = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedExit:
    """One exit as it was asked for: `origin` is the field or setting with its value, for sentences."""

    kind: ExitKind
    origin: str
    price: Decimal | None = None
    percent: Decimal | None = None
    trail_distance: Decimal | None = None
    trail_percent: Decimal | None = None
    quantity_percent: Decimal = _WHOLE


def asked_exits(
    alert: AlertTerms, settings: Settings, rules: InstrumentRules
) -> tuple[AskedExit, ...] | Rejection:
    """Return the exits of an entry, stops first; a rejection where the alert contradicts itself."""
    contradiction = _contradiction(alert)
    if contradiction is not None:
        return contradiction
    stops = _stops(alert, settings, rules)
    return stops if isinstance(stops, Rejection) else (*stops, *_targets(alert, settings))


def _contradiction(alert: AlertTerms) -> Rejection | None:
    groups: tuple[dict[str, Decimal | None], ...] = (
        {"stop_loss_percent": alert.stop_loss_percent, "stop_loss_price": alert.stop_loss_price},
        {
            "take_profit_percent": alert.take_profit_percent,
            "take_profit_price": alert.take_profit_price,
            "take_profits": Decimal(len(alert.take_profits)) or None,
        },
        {
            "trailing_stop_percent": alert.trailing_stop_percent,
            "trailing_stop_pips": alert.trailing_stop_pips,
        },
    )
    for group in groups:
        given = [name for name, value in group.items() if value is not None]
        if len(given) > 1:
            return Rejection(
                Reason.UNKNOWN_FIELD_COMBINATION,
                f"The alert has {' and '.join(given)}, which say the same thing in two ways: keep one.",
            )
    return _unshareable(alert)


def _unshareable(alert: AlertTerms) -> Rejection | None:
    if len(alert.take_profits) > MOST_TARGETS:
        return Rejection(
            Reason.INVALID_VALUE,
            f"take_profits has {len(alert.take_profits)} targets, and at most {MOST_TARGETS} are taken: "
            f"send fewer.",
        )
    total = sum((target.quantity_percent for target in alert.take_profits), Decimal(0))
    if total > _WHOLE:
        return Rejection(
            Reason.INVALID_VALUE,
            f"The quantity_percent of take_profits come to {total:f}, and there are only 100: lower them.",
        )
    if any((target.percent is None) == (target.price is None) for target in alert.take_profits):
        return Rejection(
            Reason.UNKNOWN_FIELD_COMBINATION,
            "Each of take_profits has either percent or price: send one of the two for each target.",
        )
    return None


def _stops(
    alert: AlertTerms, settings: Settings, rules: InstrumentRules
) -> tuple[AskedExit, ...] | Rejection:
    fixed = _fixed_stop(alert, settings)
    trailing = _given_trail(alert, rules)
    if isinstance(trailing, Rejection):
        return trailing
    if alert.use_trailing_stop:
        # A stop at a price cannot trail: it stays beside the one that does.
        at_price = () if alert.stop_loss_price is None else fixed
        trailing = trailing or _trail_of(fixed)
        if not trailing:
            return Rejection(
                Reason.MISSING_FIELD,
                "use_trailing_stop is true, and nothing says how far behind the price the stop trails: add "
                "trailing_stop_percent, or stop_loss_percent.",
            )
        return (*at_price, *trailing)
    return (*fixed, *trailing)


def _fixed_stop(alert: AlertTerms, settings: Settings) -> tuple[AskedExit, ...]:
    kind = ExitKind.STOP_LOSS
    if alert.stop_loss_price is not None:
        origin = f"stop_loss_price {alert.stop_loss_price:f}"
        return (AskedExit(kind=kind, origin=origin, price=alert.stop_loss_price),)
    if alert.stop_loss_percent is not None:
        origin = f"stop_loss_percent {alert.stop_loss_percent:f}"
        return (AskedExit(kind=kind, origin=origin, percent=alert.stop_loss_percent),)
    trails = alert.trailing_stop_percent is not None or alert.trailing_stop_pips is not None
    if settings.stop_loss_percent == 0 or trails:
        return ()
    origin = f"the setting stop_loss_percent {settings.stop_loss_percent:f}"
    return (AskedExit(kind=kind, origin=origin, percent=settings.stop_loss_percent),)


def _given_trail(alert: AlertTerms, rules: InstrumentRules) -> tuple[AskedExit, ...] | Rejection:
    kind = ExitKind.TRAILING_STOP
    if alert.trailing_stop_percent is not None:
        origin = f"trailing_stop_percent {alert.trailing_stop_percent:f}"
        return (AskedExit(kind=kind, origin=origin, trail_percent=alert.trailing_stop_percent),)
    if alert.trailing_stop_pips is None:
        return ()
    if rules.pip is None:
        return Rejection(
            Reason.NOT_SUPPORTED,
            f"trailing_stop_pips {alert.trailing_stop_pips:f} needs a market that counts in pips, and "
            f"that of {rules.symbol} does not: send trailing_stop_percent instead.",
        )
    distance = exact_product(alert.trailing_stop_pips, rules.pip)
    origin = f"trailing_stop_pips {alert.trailing_stop_pips:f}"
    return (AskedExit(kind=kind, origin=origin, trail_distance=distance),)


def _trail_of(fixed: tuple[AskedExit, ...]) -> tuple[AskedExit, ...]:
    return tuple(
        AskedExit(kind=ExitKind.TRAILING_STOP, origin=one.origin, trail_percent=one.percent)
        for one in fixed
        if one.percent is not None
    )


def _targets(alert: AlertTerms, settings: Settings) -> tuple[AskedExit, ...]:
    kind = ExitKind.TAKE_PROFIT
    if alert.take_profits:
        return tuple(
            AskedExit(
                kind=kind,
                origin=f"take_profits[{index}]",
                price=target.price,
                percent=target.percent,
                quantity_percent=target.quantity_percent,
            )
            for index, target in enumerate(alert.take_profits)
        )
    if alert.take_profit_price is not None:
        origin = f"take_profit_price {alert.take_profit_price:f}"
        return (AskedExit(kind=kind, origin=origin, price=alert.take_profit_price),)
    if alert.take_profit_percent is not None:
        origin = f"take_profit_percent {alert.take_profit_percent:f}"
        return (AskedExit(kind=kind, origin=origin, percent=alert.take_profit_percent),)
    if settings.take_profit_percent == 0:
        return ()
    origin = f"the setting take_profit_percent {settings.take_profit_percent:f}"
    return (AskedExit(kind=kind, origin=origin, percent=settings.take_profit_percent),)
