"""Reasons that a venue gives, or its silence."""

from decimal import Decimal
from typing import Any

from tests.integration.reasons.stage import Ending, Stage, produces
from tests.venues.fakes.server import Fault, RequestKind


@produces("unknown_symbol")
async def _unknown_symbol(stage: Stage) -> Ending:
    return await stage.at("aster", action="buy", symbol=stage.venues["aster"].unknown_symbol)


@produces("below_minimum")
async def _below_minimum(stage: Stage) -> Ending:
    return await stage.at("aster", action="buy", quantity=f"{stage.venues['aster'].too_small:f}")


@produces("above_maximum")
async def _above_maximum(stage: Stage) -> Ending:
    return await stage.at("aster", action="buy", quantity=f"{stage.venues['aster'].too_large:f}")


@produces("insufficient_funds")
async def _insufficient_funds(stage: Stage) -> Ending:
    return await stage.at("aster", action="buy", quantity=f"{stage.venues['aster'].too_much:f}")


@produces("invalid_price")
async def _invalid_price(stage: Stage) -> Ending:
    venue = stage.venues["aster"]
    return await stage.at("aster", action="buy", stop_loss_price=f"{venue.price * 2:f}")


@produces("market_closed")
async def _market_closed(stage: Stage) -> Ending:
    stage.venues["oanda"].close_market()
    return await stage.at("oanda", action="buy")


@produces("venue_refused")
async def _venue_refused(stage: Stage) -> Ending:
    server: Any = stage.venues["aster"].server
    server.book.reject_next("-4999", "This order cannot be taken.")
    return await stage.at("aster", action="buy")


@produces("exit_not_placed")
async def _exit_not_placed(stage: Stage) -> Ending:
    server: Any = stage.venues["aster"].server
    server.book.reject_next("-2021", "Order would immediately trigger.", after=1)
    return await stage.at("aster", action="buy", stop_loss_percent="5")


@produces("close_not_filled")
async def _close_not_filled(stage: Stage) -> Ending:
    venue = stage.venues["aster"]
    opened = await stage.at("aster", action="buy")
    assert opened.status == "done", opened
    venue.fill_partially(Decimal("0.5"))
    return await stage.at("aster", action="sell")


@produces("venue_unavailable")
async def _venue_unavailable(stage: Stage) -> Ending:
    venue = stage.venues["aster"]
    venue.fault(Fault.ERROR_503, RequestKind.QUESTION, times=None)
    return await stage.at("aster", action="close", quantity=None)


@produces("outcome_unknown")
async def _outcome_unknown(stage: Stage) -> Ending:
    venue = stage.venues["aster"]
    venue.fault(Fault.DROP_REPLY, RequestKind.ORDER)
    venue.fault(Fault.ERROR_500, RequestKind.QUESTION, times=None)
    return await stage.at("aster", action="buy")


@produces("credentials_invalid")
async def _credentials_invalid(stage: Stage) -> Ending:
    stage.venues["oanda"].revoke_key()
    return await stage.at("oanda", action="buy")
