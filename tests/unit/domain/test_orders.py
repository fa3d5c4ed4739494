from decimal import Decimal

import pytest

from sparky.domain.answers import (
    Accepted,
    NotSent,
    Outcome,
    OutcomeKind,
    Refused,
    Unknown,
    VenueOrder,
    VenuePosition,
)
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import (
    OrderState,
    PositionSide,
    Side,
)

TERMINAL = {"filled", "cancelled", "expired", "refused"}
LIVE = {"submitting", "accepted", "working", "partially_filled", "unknown"}


@pytest.mark.parametrize("state", OrderState)
def test_every_state_is_terminal_or_maybe_live_or_absent(state: OrderState) -> None:
    assert state.is_terminal == (state.value in TERMINAL)
    assert state.may_be_live == (state.value in LIVE)
    assert state.may_be_sent_again == (state.value == "absent")
    assert [state.is_terminal, state.may_be_live, state.may_be_sent_again].count(True) == 1


def test_only_states_that_the_venue_has_not_confirmed_need_a_lookup() -> None:
    assert {state.value for state in OrderState if state.needs_lookup} == {"submitting", "unknown"}


def test_a_long_is_closed_by_selling_and_a_short_by_buying() -> None:
    assert (PositionSide.LONG.opened_by, PositionSide.LONG.closed_by) == (Side.BUY, Side.SELL)
    assert (PositionSide.SHORT.opened_by, PositionSide.SHORT.closed_by) == (Side.SELL, Side.BUY)


def test_each_outcome_knows_its_kind() -> None:
    order = VenueOrder(
        client_order_id=ClientOrderId("sp1"),
        venue_order_id="1",
        state=OrderState.FILLED,
        quantity=Decimal(1),
        filled_quantity=Decimal(1),
    )
    outcomes: list[Outcome] = [
        Accepted(order),
        Refused("venue_refused", "no"),
        NotSent("no route"),
        Unknown("time-out"),
    ]
    assert [outcome.kind for outcome in outcomes] == list(OutcomeKind)


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity"])
def test_a_position_without_a_quantity_is_no_position(quantity: str) -> None:
    with pytest.raises(ValueError, match="above zero"):
        VenuePosition(symbol="X", side=PositionSide.LONG, quantity=Decimal(quantity), entry_price=Decimal(1))
