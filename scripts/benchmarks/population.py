"""Traders by the hundred, each with a sealed Aster account and a webhook, made directly in the database."""

import json
import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

import psycopg

from sparky.keys.sealing import SealingContext, SealingPublicKey, seal

ENVIRONMENT: Final = "production"
_SIGN_UP: Final[LiteralString] = (
    "insert into auth.users (id, email, aud, role) values (%s, %s, 'authenticated', 'authenticated')"
)
# What an alert must get past: no limit is left, and an alert may wait as long as a benchmark lasts.
_SETTINGS: Final[LiteralString] = (
    "insert into public.trade_settings_exchange (user_id, exchange, max_signal_age_sec, trading_hours_preset,"
    " allow_weekends, max_open_positions, take_profit_percent, stop_loss_percent, tp_percent, sl_percent,"
    " auto_close_outside_window) values (%s, 'aster', 3600, '24/7', true, 0, 0, 0, 0, 0, false)"
)
# As it is a while after they signed up: keys are tested, and accounts come up for comparison one by one.
_TESTED: Final[LiteralString] = (
    "update public.user_api_keys set status = 'valid', last_tested = now() where id = any(%s)"
)
_NO_TASKS: Final[LiteralString] = "delete from private.tasks where account_id = any(%s)"
_SPREAD: Final[LiteralString] = (
    "update private.reconciliations set due_at = clock_timestamp() + random() * interval '60 seconds'"
    " where account_id = any(%s)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trader:
    """A trader of a benchmark. His agent's key signs for his wallet."""

    user_id: str
    account_id: str
    token: str = field(repr=False)
    wallet: str
    agent_key: str = field(repr=False)


def make_traders(database_url: str, public_key: SealingPublicKey, count: int) -> tuple[Trader, ...]:
    """Sign up traders, with accounts at Aster whose keys are sealed to a worker."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        traders = tuple(_make_trader(connection, public_key) for _ in range(count))
        accounts = [trader.account_id for trader in traders]
        for statement in (_TESTED, _NO_TASKS, _SPREAD):
            connection.execute(statement, (accounts,))
        connection.execute("analyze")
    return traders


def delete_traders(database_url: str, traders: tuple[Trader, ...]) -> None:
    """Delete traders, and all that is theirs."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for trader in traders:
            connection.execute("delete from auth.users where id = %s", (trader.user_id,))


def _make_trader(connection: psycopg.Connection[Any], public_key: SealingPublicKey) -> Trader:
    user_id, agent_key = str(uuid.uuid4()), secrets.token_hex(32)
    wallet = f"0x{secrets.token_hex(20)}"
    sealed = seal(
        public_key,
        SealingContext(user_id, "aster", ENVIRONMENT),
        {"api_key": wallet, "api_secret": agent_key},
    )
    with connection.transaction():
        connection.execute(_SIGN_UP, (user_id, f"{user_id}@example.com"))
        connection.execute(
            "update public.subscriptions set plan = 'Enterprise' where user_id = %s", (user_id,)
        )
        connection.execute(_SETTINGS, (user_id,))
        connection.execute(
            "select set_config('request.jwt.claims', %s, true)",
            (json.dumps({"sub": user_id, "role": "authenticated"}),),
        )
        connection.execute("set local role authenticated")
        account_id = _value(
            connection,
            "select public.save_api_key('aster', %s, 'Benchmark', %s, '0000')",
            (ENVIRONMENT, sealed),
        )
        webhook = _value(connection, "select public.reveal_webhook(id) from public.user_webhook_configs", ())
    return Trader(
        user_id=user_id,
        account_id=str(account_id),
        token=webhook["token"],
        wallet=wallet,
        agent_key=agent_key,
    )


def _value(connection: psycopg.Connection[Any], query: LiteralString, parameters: tuple[Any, ...]) -> Any:
    row = connection.execute(query, parameters).fetchone()
    if row is None:
        raise RuntimeError("a statement of the benchmark answered nothing")
    return row[0]
