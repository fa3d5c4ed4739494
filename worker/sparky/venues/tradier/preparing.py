"""What has to be known before an order is sent, and the form that comes of it."""

from dataclasses import replace
from decimal import Decimal

from sparky.domain.answers import Refused
from sparky.domain.fitting import Misfit, fit, fit_exits
from sparky.domain.orders import ExitRequest, OrderRequest, OrderType, PositionSide, Side
from sparky.domain.reasons import Reason
from sparky.venues.refusals import misfit_refusal
from sparky.venues.tradier import limits, orders, rules
from sparky.venues.tradier.account import Account
from sparky.venues.tradier.credentials import Login
from sparky.venues.tradier.desk import Desk
from sparky.venues.tradier.placing import Prepared
from sparky.venues.tradier.sides import draw, nothing_to_close


async def prepare(desk: Desk, login: Login, account: Account, order: OrderRequest) -> Prepared | Refused:
    """Return the form of an order, or why it cannot be sent.

    Raises:
        Refusal, VenueUnavailable: as the questions do.
    """
    refused = limits.beyond(order)
    if refused is not None:
        return refused
    prepare_kind = _prepare_spread if order.legs else _prepare_single
    return await prepare_kind(desk, login, account, order)


async def _prepare_single(
    desk: Desk, login: Login, account: Account, order: OrderRequest
) -> Prepared | Refused:
    instrument = await desk.instrument(login, order.symbol)
    state = await desk.market_state(login)
    refused = limits.closed_market(order, state)
    if refused is not None:
        return refused
    # The last question: between it and the order the position should not change.
    held = (await desk.held(login, account.number)).quantities.get(order.symbol, Decimal(0))
    allowed = instrument.for_account(may_short=account.may_short)
    drawn = draw(order, held, can_short=allowed.can_short)
    if isinstance(drawn, Refused):
        return drawn
    if order.exits and drawn.closes:
        return limits.exits_of_a_close(order)
    if drawn.at_most is not None:
        order = replace(order, quantity=min(order.quantity, drawn.at_most))
    fitted = fit(order, allowed)
    if isinstance(fitted, Misfit):
        return misfit_refusal(fitted)
    lasting = limits.duration(order, state)
    build = orders.entry_form if order.exits else orders.plain_form
    return Prepared(
        form=build(fitted, instrument.underlying, drawn.word, lasting),
        closes=drawn.closes,
        closes_all=drawn.at_most is not None and fitted.quantity == drawn.at_most,
        fills_now=order.order_type is OrderType.MARKET and state == limits.OPEN,
    )


async def _prepare_spread(
    desk: Desk, login: Login, account: Account, order: OrderRequest
) -> Prepared | Refused:
    instruments = [await desk.instrument(login, leg.symbol) for leg in order.legs]
    underlying = instruments[0].underlying
    state = await desk.market_state(login)
    refused = limits.closed_market(order, state) or _mixed(order, {one.underlying for one in instruments})
    if refused is not None:
        return refused
    if order.reduce_only:
        closable = await _closable_spreads(desk, login, account, order)
        if isinstance(closable, Refused):
            return closable
        order = replace(order, quantity=min(order.quantity, closable))
    fitted = fit(order, rules.spread_rules(order.symbol))
    if isinstance(fitted, Misfit):
        return misfit_refusal(fitted)
    return Prepared(
        form=orders.spread_form(fitted, underlying, limits.duration(order, state)),
        closes=all(leg.closes for leg in order.legs),
        fills_now=order.order_type is OrderType.MARKET and state == limits.OPEN,
    )


def _mixed(order: OrderRequest, underlyings: set[str]) -> Refused | None:
    if len(underlyings) == 1:
        return None
    named = ", ".join(sorted(underlyings))
    return Refused(
        Reason.INVALID_VALUE,
        f"The legs of a Tradier spread are options on one underlying, not on {named} as here: send an order "
        f"for each ({order.symbol}).",
    )


async def _closable_spreads(
    desk: Desk, login: Login, account: Account, order: OrderRequest
) -> Decimal | Refused:
    held = (await desk.held(login, account.number)).quantities
    counts = []
    for leg in order.legs:
        quantity = held.get(leg.symbol, Decimal(0))
        against = max(quantity if leg.side is Side.SELL else -quantity, Decimal(0))
        counts.append(against // leg.ratio)
        if not leg.closes or not counts[-1]:
            return nothing_to_close(leg.symbol, leg.side)
    return min(counts)


async def prepare_exits(
    desk: Desk, login: Login, account: Account, request: ExitRequest
) -> Prepared | Refused:
    """Return the form of exits for an open position, sized from what is held, or why they cannot be sent.

    Raises:
        Refusal, VenueUnavailable: as the questions do.
    """
    refused = limits.beyond_exits(request.exits)
    if refused is not None:
        return refused
    instrument = await desk.instrument(login, request.symbol)
    signed = (await desk.held(login, account.number)).quantities.get(request.symbol, Decimal(0))
    held = max(signed if request.side is PositionSide.LONG else -signed, Decimal(0))
    side = request.side.closed_by
    if not held:
        return nothing_to_close(request.symbol, side)
    fitted = fit_exits(replace(request, quantity=min(request.quantity, held)), instrument.rules)
    if isinstance(fitted, Misfit):
        return misfit_refusal(fitted)
    parts = (request.symbol, instrument.underlying, side, fitted.quantity)
    if len(fitted.exits) == 1:
        return Prepared(form=orders.exit_form(fitted.exits[0], *parts), closes=True)
    return Prepared(form=orders.pair_form(fitted.exits, *parts), closes=True)
