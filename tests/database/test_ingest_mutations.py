"""Changed alerts through all of ingest, and the worker reads each that is accepted."""

from collections import Counter
from itertools import islice
from typing import Any

import pytest

from sparky.domain.work_order import parse_work_order
from tests.database.mutations import mutated
from tests.database.world import SEALED, World, call, held

COUNT = 600


def claimed(world: World, trader: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while batch := world.claim(100):
        found += [one for one in batch if one["user_id"] == trader]
        world.finish(*(held(one) | {"status": "done", "news": []} for one in batch))
    return found


@pytest.mark.parametrize("exchange", ["paper", "tradier"])
def test_what_ingest_accepts_is_a_work_order_that_the_worker_reads(world: World, exchange: str) -> None:
    trader = world.trader()
    if exchange != "paper":
        with world.signed_in(trader.id) as connection:
            assert call(connection, "delete_api_key", trader.account) is True
            call(connection, "save_api_key", exchange, "production", "x", SEALED)
    answers: Counter[int] = Counter()
    accepted = 0
    for number, body in enumerate(islice(mutated(7, 10**9), COUNT)):
        answer = world.ingest(trader, body)
        answers[answer["http"]] += 1
        assert answer["http"] in {200, 422}, (number, body, answer)
        accepted += answer["body"]["status"] == "accepted"
    assert answers[200] > COUNT // 20, answers
    orders = claimed(world, trader.id)
    assert len(orders) == accepted
    for one in orders:
        assert parse_work_order(one).symbol
