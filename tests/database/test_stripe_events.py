"""Stripe's events: stored once each, by the service key alone."""

import psycopg
import pytest

from tests.database.world import World, call, connect

EVENT = {"id": "evt_1", "type": "invoice.paid", "created": 1_795_341_600, "livemode": False, "data": {"n": 1}}


def test_an_event_is_stored_once(world: World) -> None:
    with connect(world.url, "service_role") as service:
        assert call(service, "store_stripe_event", EVENT) is True
        assert call(service, "store_stripe_event", EVENT | {"data": {"n": 2}}) is False
    assert world.row("select type, livemode, payload -> 'data' ->> 'n' from private.stripe_events") == (
        "invoice.paid",
        False,
        "1",
    )


@pytest.mark.parametrize("missing", ["id", "type", "created", "livemode"])
def test_an_event_that_lacks_something_is_an_error(shared: World, missing: str) -> None:
    event = {name: value for name, value in EVENT.items() if name != missing}
    with connect(shared.url, "service_role") as service, pytest.raises(psycopg.errors.NotNullViolation):
        call(service, "store_stripe_event", event)
