"""Whatever is asked for, what goes to Aster passes its filters and is never more than was asked."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.fitting import Misfit, fit
from sparky.domain.identifiers import SignalId, client_order_id
from sparky.domain.orders import (
    OrderRequest,
    OrderType,
    Side,
)
from sparky.venues.aster.orders import entry, not_supported
from sparky.venues.aster.rules import read_instruments
from tests.venues.fakes.aster.instruments import Instrument
from tests.venues.fakes.aster.requests import read_new_order
from tests.venues.fakes.aster.wallets import Wallet
from tests.venues.fakes.book import NewOrder
from tests.venues.fakes.messages import AnsweredEarly
from tests.venues.harness import says_what_to_do

positive = st.decimals(Decimal("0.000001"), Decimal(10**9), allow_nan=False, allow_infinity=False)
steps = st.sampled_from([Decimal(text) for text in ("0.000001", "0.001", "0.005", "0.1", "0.25", "1", "10")])


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    step = draw(steps)
    return Instrument(
        symbol="BTCUSDT",
        price=Decimal(100),
        tick=draw(steps),
        step=step,
        market_step=step * draw(st.integers(1, 5)),
        least=step * draw(st.integers(0, 20)),
        least_price=Decimal(0),
        most=Decimal(10**6),
        market_most=Decimal(10**5),
        up=Decimal(10**12),
        down=Decimal(0),
    )


def taken(form: dict[str, str], wallet: Wallet, one: Instrument) -> NewOrder | None:
    """Return the order as the venue reads it; None where it refuses it for the market's sake alone."""
    try:
        return read_new_order(form, wallet, one, Decimal(100))
    except AnsweredEarly as early:
        body = early.response.body
    assert b"-2021" in body, body
    return None


@given(
    one=instruments(),
    quantity=positive,
    price=positive,
    stop=positive,
    side=st.sampled_from(Side),
    order_type=st.sampled_from(OrderType),
    reduce_only=st.booleans(),
    hedged=st.booleans(),
)
@settings(max_examples=80)
def test_whatever_is_asked_what_is_sent_passes_asters_filters(
    one: Instrument,
    quantity: Decimal,
    price: Decimal,
    stop: Decimal,
    side: Side,
    order_type: OrderType,
    reduce_only: bool,  # noqa: FBT001 - given by Hypothesis
    hedged: bool,  # noqa: FBT001 - given by Hypothesis
) -> None:
    order = OrderRequest(
        client_order_id=client_order_id(SignalId("0b6c1d5e-8a54-4f0e-9a53-0d8c3a1f2b4c"), 1),
        symbol="BTCUSDT",
        side=side,
        quantity=quantity,
        reduce_only=reduce_only,
        order_type=order_type,
        limit_price=price if order_type.has_limit_price else None,
        stop_price=stop if order_type.has_stop_price else None,
        reference_price=Decimal(100),
    )
    assert not_supported(order) is None
    fitted = fit(order, read_instruments({"symbols": [one.row()]})["BTCUSDT"].rules)
    if isinstance(fitted, Misfit):
        says_what_to_do(fitted.reason)
        return
    form = dict(entry(fitted, hedged=hedged).params)
    asked = taken(form, Wallet(address="0x1", hedged=hedged), one)
    if asked is None:
        return
    assert Decimal(0) < asked.quantity <= quantity
    if asked.limit_price is not None:
        assert asked.limit_price <= price if side is Side.BUY else asked.limit_price >= price
