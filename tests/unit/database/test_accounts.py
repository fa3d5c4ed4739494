"""Accounts to compare as the database hands them out, and what was found of them."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from sparky.database.accounts import AccountQueue
from sparky.database.rpc import RpcClient
from sparky.domain.errors import DatabaseContractError
from sparky.domain.identifiers import SignalId, WorkerId, client_order_id
from sparky.domain.orders import ExitKind, OrderState
from sparky.domain.plan import Purpose
from tests.unit.domain.work_orders import EARLIER_ORDER, SIGNAL_ID, work_order_json


class Functions:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def call(self, function: str, params: Mapping[str, Any]) -> Any:
        del function, params
        return self.answer


def queue(**order: Any) -> AccountQueue:
    raw = work_order_json()
    due = {
        "fence": 1,
        "account": raw["account"] | {"user_id": raw["user_id"]},
        "orders": [EARLIER_ORDER | {"signal_id": SIGNAL_ID} | order],
        "positions": [{"symbol": "BTCUSDT", "side": "long", "quantity": "1"}],
    }
    return AccountQueue(cast("RpcClient", Functions([due])), WorkerId("w"))


async def test_an_attached_exit_is_found_by_its_entry() -> None:
    waiting = queue(leg=3, purpose="stop_loss", attached_to=1, state="accepted")
    (due,) = await waiting.claim_accounts(1, 60)
    (end,) = due.open_ends
    assert (end.purpose, end.state) == (Purpose.STOP_LOSS, OrderState.ACCEPTED)
    assert end.ref.exit_of == client_order_id(SignalId(SIGNAL_ID), 1)
    assert end.ref.exit_kind is ExitKind.STOP_LOSS


async def test_an_exit_that_was_placed_apart_is_found_by_itself() -> None:
    (due,) = await queue(leg=3, purpose="take_profit", state="working").claim_accounts(1, 60)
    assert (due.open_ends[0].ref.exit_of, due.open_ends[0].ref.exit_kind) == (None, None)


@pytest.mark.parametrize("told", [{}, {"unprotected": False}, {"unprotected": True}])
async def test_an_entry_says_whether_it_awaits_its_exits(told: dict[str, bool]) -> None:
    (due,) = await queue(state="working", **told).claim_accounts(1, 60)
    assert due.open_ends[0].unprotected is told.get("unprotected", False)


async def test_an_order_of_another_shape_is_a_contract_error() -> None:
    with pytest.raises(DatabaseContractError, match="purpose"):
        await queue(purpose="hold").claim_accounts(1, 60)
