from pathlib import Path

from scripts.local_stack import urls
from scripts.testbed.trader import Trader
from sparky.keys.keyfile import generate_key_file
from tests.integration.worker.world import World, until


async def test_the_most_talkative_logs_hold_no_secret(world: World, tmp_path: Path) -> None:
    trader, stranger = await world.trader(), await world.trader("Bob")
    worker = world.worker(log_level="debug")
    worker.await_event("wake_ups_connected")
    await stranger.save_paper_keys(generate_key_file(tmp_path / "another.pem").public)
    buy = {"symbol": "BTCUSDT", "action": "buy", "quantity": "1", "price": "100"}
    first = [await world.accept(who, buy) for who in (trader, stranger)]
    await world.finished(
        [*first, (await trader.post_with_secret(world.http, {**buy, "price": "2"})).signal_id]
    )
    await trader.post(world.http, {"secret": trader.secret, "action": "what"}, token=trader.secret)
    world.stack.stop_realtime()
    world.stack.start_realtime()
    world.stack.stop_postgres()
    world.stack.start_postgres()
    worker.await_event("wake_ups_connected", count=2)
    await world.finished([await world.accept(trader, {**buy, "action": "close"})])
    query = "select status from public.user_api_keys where user_id = %s"
    await until(lambda: world.records.value(query, stranger.user_id) == "invalid", 10)
    assert worker.stop() == 0

    logs = {path.name: path.read_text("utf-8", "replace") for path in _log_files(world)}
    text = "".join(logs.values())
    # These logs would show it: requests, frames and failures are in them.
    for told in ("signal_finished", "claim_signals", "webhook_request", "wake_ups_lost", '"level":"debug"'):
        assert told in text.replace('": "', '":"'), told
    secrets = _secrets(world, [trader, stranger])
    leaks = [
        (name, kind)
        for name, log in logs.items()
        for kind, secret in secrets
        if any(piece in log for piece in _pieces(secret))
    ]
    assert leaks == []


def _pieces(secret: str) -> tuple[str, str]:
    # Some libraries shorten what they log. The head of a token tells nothing: it is the same in all.
    telling = secret.partition(".")[2] if secret.startswith("eyJ") else secret
    return telling[:20], telling[-20:]


def _log_files(world: World) -> list[Path]:
    return [worker.log for worker in world.workers] + list((world.stack.data / "logs").iterdir())


def _secrets(world: World, traders: list[Trader]) -> list[tuple[str, str]]:
    stack = world.stack
    sealed = "select decrypted_secret from vault.decrypted_secrets where name = %s"
    found = [
        ("worker token", world.backend.worker_token),
        ("secret key", stack.secret_key),
        ("jwt secret", stack.jwt_secret),
        ("service role", stack.state.service_role_jwt),
        ("database password", urls.password_of(stack.database_url)),
        ("superuser's password", urls.password_of(stack.admin_database_url)),
        ("sealing key", "".join(world.key_file.read_text("ascii").splitlines()[1:-1])),
    ]
    for trader in traders:
        found += [
            ("webhook token", trader.token),
            ("webhook secret", trader.secret),
            ("paper key", trader.paper_key),
            ("trader's password", trader.password),
            ("sealed keys", str(world.records.value(sealed, f"api_key/{trader.account_id}"))),
        ]
    assert all(len(secret) > 20 for _, secret in found)
    return found
