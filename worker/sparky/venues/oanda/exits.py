"""Exits of a trade that is open, all in one write.

OANDA binds exits to a trade, they close all of it, and it takes the others away when one fires
(https://developer.oanda.com/rest-live-v20/trade-ep, PUT /trades/{trade}/orders).
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from sparky.domain.answers import Outcome, Refused, Unknown
from sparky.domain.errors import WorkOrderError
from sparky.domain.fields import decimal_text
from sparky.domain.fitting import fit_exits
from sparky.domain.orders import ExitLeg, ExitRequest
from sparky.domain.reasons import Reason
from sparky.domain.rules import exact_product, round_down_to_step
from sparky.runtime.seams import Sleeper
from sparky.venues.base import Permit
from sparky.venues.budget import Priority
from sparky.venues.oanda.account import Account
from sparky.venues.oanda.capabilities import unsupported
from sparky.venues.oanda.client import Answer, OandaClient
from sparky.venues.oanda.orders import EXIT_NAMES, exits_to_oanda
from sparky.venues.oanda.parse import placed_exit, reject_reason, stopped
from sparky.venues.oanda.rules import Instrument
from sparky.venues.oanda.trades import Trade, find_trade, open_trades
from sparky.venues.refusals import misfit_refusal

_HUNDREDTH: Final = Decimal("0.01")
# A trade may be missing from look-ups for half a second after its entry was filled.
_WAITS: Final = (0.0, 0.3, 0.5)


async def place_exits(
    client: OandaClient,
    sleeper: Sleeper,
    account: Account,
    request: ExitRequest,
    *,
    instrument: Instrument,
    permit: Permit,
) -> Sequence[Outcome]:
    """Place exits for the trade of a position; one outcome for each.

    The trade is that of the entry where it is known, else the only one of the position.

    Raises:
        VenueUnavailable: the trade could not be asked for, and nothing was sent.
        CredentialsInvalid: the token is not let in.
    """
    fitted = _fit(request, instrument)
    if isinstance(fitted, Refused):
        return [fitted for _ in request.exits]
    trade = await _trade_of(client, sleeper, account, request)
    if isinstance(trade, Refused):
        return [trade for _ in request.exits]
    answer = await client.write(
        account.login,
        "PUT",
        account.path(f"trades/{trade.trade_id}/orders"),
        exits_to_oanda(fitted),
        permit=permit,
        priority=Priority.EXIT,
    )
    if not isinstance(answer, Answer):
        return [answer for _ in request.exits]
    return [_outcome(answer, leg, trade) for leg in fitted]


def trails_in_price(
    exits: Sequence[ExitLeg], reference: Decimal | None, instrument: Instrument
) -> tuple[ExitLeg, ...] | Refused:
    """Return the exits with every trail as a distance, which is all that OANDA knows.

    A distance that falls between two ticks becomes the smaller one, which protects more.
    """
    turned: list[ExitLeg] = []
    for leg in exits:
        if leg.trail_percent is None:
            turned.append(leg)
            continue
        if reference is None:
            return Refused(
                Reason.MISSING_FIELD,
                "OANDA trails by a price distance and not by per cent: add the field price to the alert, or "
                "send the distance.",
            )
        exact = exact_product(exact_product(reference, leg.trail_percent), _HUNDREDTH)
        distance = round_down_to_step(exact, instrument.rules.price_tick)
        if not distance:
            return _out_of_reach(instrument, exact)
        turned.append(replace(leg, trail_percent=None, trail_distance=distance))
    return tuple(turned)


def trail_misfit(exits: Sequence[ExitLeg], instrument: Instrument) -> Refused | None:
    """Refuse a trailing stop that would follow nearer or farther than OANDA allows; None if none does."""
    for leg in exits:
        distance = leg.trail_distance
        if distance is None:
            continue
        too_far = instrument.most_trail is not None and distance > instrument.most_trail
        if too_far or distance < instrument.least_trail:
            return _out_of_reach(instrument, distance)
    return None


def _out_of_reach(instrument: Instrument, distance: Decimal) -> Refused:
    most = instrument.most_trail
    upper = "" if most is None else f" and at most {decimal_text(most)}"
    return Refused(
        Reason.INVALID_PRICE,
        f"At OANDA a trailing stop of {instrument.rules.symbol} follows at least "
        f"{decimal_text(instrument.least_trail)}{upper} behind the price, not {decimal_text(distance)}: "
        "change the trail.",
    )


def _fit(request: ExitRequest, instrument: Instrument) -> tuple[ExitLeg, ...] | Refused:
    kinds = {leg.kind for leg in request.exits}
    if len(kinds) < len(request.exits):
        return unsupported(
            "OANDA binds one take-profit, one stop-loss and one trailing stop to a trade: send one of each."
        )
    turned = trails_in_price(request.exits, request.reference_price, instrument)
    if isinstance(turned, Refused):
        return turned
    fitted = fit_exits(replace(request, exits=turned), instrument.rules)
    if not isinstance(fitted, ExitRequest):
        return misfit_refusal(fitted)
    return trail_misfit(fitted.exits, instrument) or fitted.exits


async def _trade_of(
    client: OandaClient, sleeper: Sleeper, account: Account, request: ExitRequest
) -> Trade | Refused:
    for wait in _WAITS if request.entry is not None else ():
        await sleeper.sleep(wait)
        trade = await _trade_of_entry(client, account, request)
        if trade is not None:
            break
    else:
        found = await _only_trade(client, account, request)
        if isinstance(found, Refused):
            return found
        trade = found
    return trade if request.quantity >= trade.units else _partly(request, trade)


async def _trade_of_entry(client: OandaClient, account: Account, request: ExitRequest) -> Trade | None:
    if request.entry is None:
        return None
    trade = await find_trade(client, account, f"@{request.entry.client_order_id}")
    fits = trade is not None and (trade.symbol, trade.side) == (request.symbol, request.side)
    return trade if trade is not None and fits and trade.units else None


async def _only_trade(client: OandaClient, account: Account, request: ExitRequest) -> Trade | Refused:
    trades = (await open_trades(client, account)).values()
    fitting = [one for one in trades if (one.symbol, one.side) == (request.symbol, request.side)]
    if not fitting:
        return _no_trade(request)
    return fitting[0] if len(fitting) == 1 else _several(request, len(fitting))


def _no_trade(request: ExitRequest) -> Refused:
    return Refused(
        Reason.NO_POSITION,
        f"OANDA shows no open {request.side} trade in {request.symbol} to which exits could be bound: open "
        "the position first.",
    )


def _several(request: ExitRequest, count: int) -> Refused:
    return unsupported(
        f"The position in {request.symbol} is made of {count} trades, and OANDA binds exits to one trade: "
        "send the exits together with each entry, or close the position by an alert."
    )


def _partly(request: ExitRequest, trade: Trade) -> Refused:
    return unsupported(
        f"OANDA's exits close the whole trade, {decimal_text(trade.units)} {request.symbol}, and not only "
        f"{decimal_text(request.quantity)} of it: send them for all of it."
    )


def _outcome(answer: Answer, leg: ExitLeg, trade: Trade) -> Outcome:
    name = EXIT_NAMES[leg.kind]
    if answer.ok:
        return placed_exit(answer.body, name, leg.client_order_id, trade.units)
    try:
        code = reject_reason(answer, f"{name}OrderRejectTransaction") or answer.code
    except WorkOrderError as error:
        return Unknown(f"OANDA may have the exit, but its answer was not understood: {error.field}.")
    return stopped(code, answer.words)
