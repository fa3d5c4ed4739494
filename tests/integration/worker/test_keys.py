from pathlib import Path

from scripts.testbed.trader import Trader
from sparky.keys.keyfile import generate_key_file
from tests.integration.worker.ledger import assert_rows_equal_book
from tests.integration.worker.world import World, until

BUY = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1", "price": "100"}


async def test_keys_sealed_to_another_worker_are_refused_until_they_are_saved_again(
    world: World, tmp_path: Path
) -> None:
    trader = await world.trader()
    await trader.save_paper_keys(generate_key_file(tmp_path / "another.pem").public)
    world.worker()
    await until(lambda: _status(world, trader)[0] == "invalid", 10)
    assert "key" in _status(world, trader)[1]
    (refused,) = await world.finished([await world.accept(trader, BUY)])
    assert (refused["status"], refused["reason_code"]) == ("rejected", "credentials_invalid")
    assert len(refused["reason"].split()) > 4
    assert trader.paper_key not in refused["reason"]

    await trader.save_paper_keys(world.public_key)
    assert _status(world, trader)[0] == "pending"
    (done,) = await world.finished([await world.accept(trader, {**BUY, "price": "101"})])
    assert (done["status"], done["reason_code"]) == ("done", None)
    await until(lambda: _status(world, trader)[0] == "valid", 10)
    assert_rows_equal_book(world.records, [trader])


async def test_keys_that_the_venue_does_not_take_are_marked_with_its_reason(world: World) -> None:
    trader = await world.trader(latency_ms="soon")
    world.worker()
    await until(lambda: _status(world, trader)[0] == "invalid", 10)
    assert "latency_ms must be a number" in _status(world, trader)[1]
    (refused,) = await world.finished([await world.accept(trader, BUY)])
    assert (refused["status"], refused["reason_code"]) == ("rejected", "credentials_invalid")
    assert "latency_ms" in refused["reason"]


def _status(world: World, trader: Trader) -> tuple[str, str]:
    (row,) = world.records.rows(
        "select status, coalesce(status_reason, '') as reason from public.user_api_keys where user_id = %s",
        trader.user_id,
    )
    return row["status"], row["reason"]
