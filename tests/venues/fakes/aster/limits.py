"""What the fake Aster counts: weight of the address, orders of an account, and patience."""

from collections import Counter
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from tests.venues.fakes.aster.wallets import refuse
from tests.venues.fakes.messages import FakeRequest

WEIGHT_LIMIT: Final = 2400
ORDER_LIMIT: Final = 1200
BAN_SECONDS: Final = 120
_MINUTE_MS: Final = 60_000
_MOST_PATIENCE: Final = 3
_WEIGHTS: Final[Mapping[str, int]] = {
    "/fapi/v3/balance": 5,
    "/fapi/v3/positionRisk": 5,
    "/fapi/v3/positionSide/dual": 30,
    "/fapi/v3/allOrders": 5,
    "/fapi/v3/userTrades": 5,
}
_ALL_OPEN_ORDERS: Final = 40


class Verdict(Enum):
    """Whether a request may go on."""

    GO_ON = auto()
    TOO_MANY = auto()
    BANNED = auto()


class Meter:
    """Counts by the minute; who goes on after a 429 is banned."""

    def __init__(self) -> None:
        self.weight = 0
        self.orders: Counter[str] = Counter()
        self._minute = 0
        self._turned_away = 0
        self._banned_until = 0

    def use_up(self, weight: int, now_ms: int) -> None:
        """Count at least so much in this minute."""
        self._turn_over(now_ms)
        self.weight = max(self.weight, weight)

    def count(self, request: FakeRequest, now_ms: int) -> Verdict:
        """Count a request, unless it is one too many."""
        if now_ms < self._banned_until:
            return Verdict.BANNED
        self._turn_over(now_ms)
        weight = _WEIGHTS.get(request.path, 1)
        if request.path == "/fapi/v3/openOrders" and "symbol=" not in request.query:
            weight = _ALL_OPEN_ORDERS
        if self.weight + weight <= WEIGHT_LIMIT:
            self.weight += weight
            return Verdict.GO_ON
        self._turned_away += 1
        if self._turned_away <= _MOST_PATIENCE:
            return Verdict.TOO_MANY
        self._banned_until = now_ms + BAN_SECONDS * 1000
        return Verdict.BANNED

    def count_order(self, account: str) -> None:
        """Count an order of an account, unless it is one too many."""
        if self.orders[account] >= ORDER_LIMIT:
            raise refuse(
                429, -1015, f"Too many new orders; current limit is {ORDER_LIMIT} orders per MINUTE."
            )
        self.orders[account] += 1

    def _turn_over(self, now_ms: int) -> None:
        minute = now_ms // _MINUTE_MS
        if minute != self._minute:
            self._minute, self.weight, self._turned_away = minute, 0, 0
            self.orders.clear()
