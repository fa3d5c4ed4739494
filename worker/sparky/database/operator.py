"""The functions of the database that an operator calls with a service key, typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sparky.database.rpc import RpcClient
from sparky.domain import fields
from sparky.domain.errors import DatabaseContractError


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFill:
    """What an operator saw of one order at the venue."""

    leg: int
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an operator found out of a signal under review. Without fills it was not executed."""

    operator: str
    note: str
    fills: tuple[SeenFill, ...] = ()

    @property
    def word(self) -> str:
        return "executed" if self.fills else "not_executed"


class OperatorDatabase:
    """Everything an operator asks about signals.

    Every method raises DatabaseUnavailable and DatabaseContractError (see `RpcClient.call`).
    """

    def __init__(self, rpc: RpcClient) -> None:
        self._rpc = rpc

    async def review(self) -> Sequence[Mapping[str, Any]]:
        """Return the signals under review, oldest first."""
        answer = await self._rpc.call("review_signals", {})
        if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
            raise DatabaseContractError("review_signals answered something else than a list of objects")
        return answer

    async def settle(self, signal_id: str, verdict: Verdict) -> Mapping[str, Any]:
        """End a signal under review; what makes no sense is refused in a sentence and changes nothing."""
        answer = await self._rpc.call(
            "settle_signal",
            {
                "p_signal_id": signal_id,
                "p_verdict": verdict.word,
                "p_operator": verdict.operator,
                "p_note": verdict.note,
                "p_fills": [
                    {
                        "leg": fill.leg,
                        "quantity": fields.decimal_text(fill.quantity),
                        "price": fields.decimal_text(fill.price),
                    }
                    for fill in verdict.fills
                ],
            },
        )
        return _mapping(answer, "settle_signal")

    async def explain(self, signal_id: str) -> Mapping[str, Any] | None:
        """Return everything about a signal; None when there is none of this id."""
        answer = await self._rpc.call("explain_signal", {"p_signal_id": signal_id})
        return None if answer is None else _mapping(answer, "explain_signal")


def _mapping(answer: Any, function: str) -> Mapping[str, Any]:
    if not isinstance(answer, dict):
        raise DatabaseContractError(f"{function} answered something else than an object")
    return answer
