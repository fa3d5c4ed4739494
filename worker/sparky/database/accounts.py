"""Accounts due for a comparison with their venue, as the database hands them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sparky.database.rpc import RpcClient
from sparky.domain import fields
from sparky.domain.errors import DatabaseContractError, WorkOrderError
from sparky.domain.identifiers import ClientOrderId, SignalId, UserId, WorkerId
from sparky.domain.identifiers import client_order_id as client_order_id_of
from sparky.domain.news import OrderNews
from sparky.domain.orders import ExitKind, OrderRef, OrderState, PositionSide
from sparky.domain.plan import Purpose
from sparky.domain.work_order import Account, parse_account

_PLACE = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEnd:
    """An order of ours that nobody executes any more, and that has not ended or has a fee not told yet.

    `unprotected`: exits are to be placed as soon as it has filled.
    """

    signal_id: SignalId
    leg: int
    ref: OrderRef
    purpose: Purpose
    state: OrderState
    unprotected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A position in our books."""

    symbol: str
    side: PositionSide
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DueAccount:
    """An account to compare, leased until its fence grows."""

    fence: int
    user_id: UserId
    account: Account
    open_ends: tuple[OpenEnd, ...]
    positions: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was found. `differences` is None when the venue could not be asked: what was known then stays.

    `keys_refused`: the venue did not accept the keys, so they are to be validated.
    """

    due: DueAccount
    due_in_seconds: int
    differences: Sequence[Mapping[str, str]] | None
    news: tuple[tuple[str, OrderNews], ...] = ()
    keys_refused: bool = False


class AccountQueue:
    """The two calls of the reconciler.

    Both raise DatabaseUnavailable and DatabaseContractError (see `RpcClient.call`).
    """

    def __init__(self, rpc: RpcClient, worker: WorkerId) -> None:
        self._rpc = rpc
        self._worker = worker

    async def claim_accounts(self, limit: int, lease_seconds: int) -> Sequence[DueAccount]:
        """Take up to `limit` accounts that are due."""
        answer = await self._rpc.call(
            "claim_accounts", {"p_worker": self._worker, "p_limit": limit, "p_lease_seconds": lease_seconds}
        )
        try:
            return [_due(fields.mapping(item, _PLACE)) for item in fields.items({"a": answer}, "a", _PLACE)]
        except WorkOrderError as error:
            raise DatabaseContractError(f"claim_accounts: {error.reason}") from error

    async def finish_accounts(self, results: Sequence[Comparison]) -> None:
        """Record what was found, where the lease is still held."""
        await self._rpc.call("finish_accounts", {"p_results": [_comparison(item) for item in results]})


def _due(source: Mapping[str, Any]) -> DueAccount:
    account = fields.mapping(fields.present(source, "account", _PLACE), _PLACE)
    return DueAccount(
        fence=fields.integer(source, "fence", _PLACE, least=1),
        user_id=UserId(fields.identifier(account, "user_id", _PLACE)),
        account=parse_account(account),
        open_ends=tuple(_open_end(fields.mapping(o, _PLACE)) for o in fields.items(source, "orders", _PLACE)),
        positions=tuple(_held(fields.mapping(p, _PLACE)) for p in fields.items(source, "positions", _PLACE)),
    )


def _open_end(source: Mapping[str, Any]) -> OpenEnd:
    signal_id = SignalId(fields.identifier(source, "signal_id", _PLACE))
    purpose = fields.choice(source, "purpose", _PLACE, Purpose)
    entry = fields.optional(fields.integer, source, "attached_to", _PLACE)
    return OpenEnd(
        signal_id=signal_id,
        leg=fields.integer(source, "leg", _PLACE, least=1),
        purpose=purpose,
        state=fields.choice(source, "state", _PLACE, OrderState),
        unprotected=fields.optional(fields.boolean, source, "unprotected", _PLACE) or False,
        ref=OrderRef(
            client_order_id=ClientOrderId(fields.text(source, "client_order_id", _PLACE)),
            symbol=fields.text(source, "symbol", _PLACE),
            sent_at=fields.moment(source, "begun_at", _PLACE),
            bookmark=fields.optional(fields.text, source, "bookmark", _PLACE),
            venue_order_id=fields.optional(fields.text, source, "venue_order_id", _PLACE),
            exit_of=None if entry is None else client_order_id_of(signal_id, entry),
            exit_kind=None if entry is None else ExitKind(purpose.value),
        ),
    )


def _held(source: Mapping[str, Any]) -> Held:
    return Held(
        symbol=fields.text(source, "symbol", _PLACE),
        side=fields.choice(source, "side", _PLACE, PositionSide),
        quantity=fields.positive(source, "quantity", _PLACE),
    )


def _comparison(item: Comparison) -> dict[str, Any]:
    return {
        "account_id": item.due.account.id,
        "fence": item.due.fence,
        "due_in_seconds": item.due_in_seconds,
        "differences": item.differences,
        "keys_refused": item.keys_refused,
        "news": [{"signal_id": signal_id, **news.to_json()} for signal_id, news in item.news],
    }
