from pathlib import Path

from scripts.testbed.trader import Trader
from sparky.keys.keyfile import generate_key_file, load_key_ring
from sparky.keys.sealing import SealingContext
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


async def test_plain_keys_execute_an_alert_and_lie_sealed_from_then_on(world: World) -> None:
    trader = await world.trader()
    key = f"plain-{trader.paper_key}"
    _save_plain(world, trader, key)
    assert _keys(world, trader) == ("plain", 2, f'{{"api_key": "{key}"}}')
    worker = world.worker(log_level="debug")
    (done,) = await world.finished([await world.accept(trader, BUY)])
    assert (done["status"], done["reason_code"]) == ("done", None)
    await until(lambda: _status(world, trader)[0] == "valid", 10)
    form, version, stored = _keys(world, trader)
    assert (form, version) == ("sealed", 2)
    fields = load_key_ring([world.key_file]).open(stored, SealingContext(trader.user_id, "paper", "paper"))
    assert {name: secret.reveal() for name, secret in fields.items()} == {"api_key": key}
    assert_rows_equal_book(world.records, [trader])

    # Opened by a worker of its own: the first one holds them already.
    world.worker()
    worker.stop()
    (done,) = await world.finished([await world.accept(trader, {**BUY, "action": "close"})])
    assert done["status"] == "done"
    actions = _audited(world, trader)
    assert [action for action, _ in actions][:2] == ["api_key.opened", "api_key.resealed"]
    assert [form for action, form in actions if action == "api_key.opened"] == ["plain", "sealed"]
    texts = [one.log.read_text("utf-8", "replace") for one in world.workers]
    texts += [path.read_text("utf-8", "replace") for path in (world.stack.data / "logs").iterdir()]
    assert any("keys_sealed" in text for text in texts)
    assert not any(key in text for text in texts)


async def test_plain_keys_that_no_venue_would_take_are_sealed_too(world: World) -> None:
    trader = await world.trader()
    world.records.rows(
        "select private.save_plain_keys("
        '%s, \'aster\', \'production\', null, \'{"api_key": "clear", "api_secret": "text"}\', null)',
        trader.user_id,
    )
    world.worker()
    # Other traders of this database may have such keys too.
    form = "select form from public.user_api_keys where exchange = 'aster' and user_id = %s"
    await until(lambda: world.records.value(form, trader.user_id) == "sealed", 30)


async def test_each_account_of_a_burst_is_opened_once_for_each_worker(world: World) -> None:
    trader = await world.trader()
    alerts = [{**BUY, "symbol": f"S{number}USDT"} for number in range(10)]
    signals = [await world.accept(trader, alert) for alert in alerts]
    worker = world.worker()
    await world.finished(signals)
    assert worker.stop() == 0
    assert _audited(world, trader) == [("api_key.opened", "sealed")]


def _save_plain(world: World, trader: Trader, key: str) -> None:
    """Save plain keys as the view of the dashboard does; the paper venue knows the account by them."""
    world.records.rows(
        "select private.save_plain_keys("
        "%s, 'paper', 'paper', null, jsonb_build_object('api_key', %s::text), null)",
        trader.user_id,
        key,
    )


def _keys(world: World, trader: Trader) -> tuple[str, int, str]:
    (row,) = world.records.rows(
        "select k.form, k.key_version, d.decrypted_secret as stored from public.user_api_keys k"
        " join vault.decrypted_secrets d on d.id = k.secret_id where k.user_id = %s",
        trader.user_id,
    )
    return row["form"], row["key_version"], row["stored"]


def _audited(world: World, trader: Trader) -> list[tuple[str, str | None]]:
    rows = world.records.rows(
        "select action, detail ->> 'form' as form from public.audit_log"
        " where user_id = %s and action in ('api_key.opened', 'api_key.resealed') order by id",
        trader.user_id,
    )
    return [(row["action"], row["form"]) for row in rows]


def _status(world: World, trader: Trader) -> tuple[str, str]:
    (row,) = world.records.rows(
        "select status, coalesce(status_reason, '') as reason from public.user_api_keys where user_id = %s",
        trader.user_id,
    )
    return row["status"], row["reason"]
