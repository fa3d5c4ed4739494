"""What a venue's tests give to the conformance suite: an adapter on a fresh account, and the venue's truth.

A venue's test file holds one subclass of `Harness` and

    class TestAster(VenueConformance):
        harness = AsterHarness

`open` builds everything anew for each case: the fake, the adapter over a real socket, two traders. Members:

    name, cannot                what the venue is called, and why it lacks what it lacks (see `subjects`)
    speaks                      faults whose answer to a question is a good one in the venue's language
    adapter, impatient          the same venue twice; `impatient` gives up reading after about 0.3 s
    access, other_access        two traders with keys and accounts of their own
    wrong_access                keys that the venue does not know
    misplaced_access            good keys of the other environment             (OTHER_ENVIRONMENT)
    server, time                the fake, and the clock that it shares with the adapter; None for paper
    symbol, quantity, price     a tradable symbol, a size that fits its steps, the price the fake starts at
    tick                        the price step near that price
    too_much                    far more than the account can pay for; ten times `quantity` it can pay for
    too_small, too_large        below the venue's minimum or step, above its maximum   (SMALLEST, LARGEST)
    unknown_symbol, nearest     one that is not listed, and a listed one that its refusal must name
    underlying                  what the chain of options is asked for         (OPTIONS)
    future, future_price        a listed futures contract and its price        (FUTURES)
    signal                      what client ids are derived from
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self

import pytest

from sparky.domain.answers import Accepted, Outcome, Refused, VenueOrder
from sparky.domain.orders import (
    ExitKind,
    OrderRef,
    OrderRequest,
    PositionSide,
    Side,
    TimeInForce,
)
from sparky.venues.base import AccountAccess, VenueAdapter
from tests.venues.fakes.book import Execution
from tests.venues.fakes.server import FakeServer, Fault, RequestKind
from tests.venues.made_orders import MadeOrders
from tests.venues.subjects import Subject


def allow() -> None:
    """Permit everything."""


def says_what_to_do(sentence: str) -> None:
    """Assert that a trader could read it: words that end with a full stop, and no rest of a program."""
    assert sentence.endswith("."), sentence
    assert len(sentence.split()) > 4, sentence
    assert not sentence[0].islower(), sentence
    assert sentence.isprintable(), sentence
    assert not [rest for rest in ("None", "{", "Error(", "<", "Decimal(") if rest in sentence], sentence


def refused(outcome: Outcome, reason_code: str | None = None) -> Refused:
    """Return an outcome that has to be Refused, for that reason, in a sentence."""
    assert isinstance(outcome, Refused), outcome
    says_what_to_do(outcome.reason)
    if reason_code is not None:
        assert outcome.reason_code == reason_code, outcome
    return outcome


def accepted(outcome: Outcome) -> VenueOrder:
    """Return the order of an outcome that has to be Accepted."""
    assert isinstance(outcome, Accepted), outcome
    return outcome.order


class Harness(MadeOrders, ABC):
    """An adapter on a fresh account, and what only the venue knows."""

    name: ClassVar[str]
    cannot: ClassVar[Mapping[Subject, str]]
    speaks: ClassVar[frozenset[Fault]] = frozenset()

    impatient: VenueAdapter
    access: AccountAccess
    other_access: AccountAccess
    wrong_access: AccountAccess
    misplaced_access: AccountAccess
    server: FakeServer | None = None

    too_much: Decimal
    too_small: Decimal
    too_large: Decimal
    unknown_symbol: str
    nearest: str
    underlying: str
    future: str
    future_price: Decimal

    @classmethod
    @abstractmethod
    def open(cls) -> AbstractAsyncContextManager[Self]:
        """Build everything, and take it down afterwards."""

    # The venue's truth.

    @abstractmethod
    async def executions(self, client_order_id: str) -> int:
        """Return how often an order of this id was executed, by the venue's own books.

        Every submission that the venue took to its book counts, whether it has filled yet or rests.
        """

    def lasts(self, client_order_id: str) -> TimeInForce | None:
        """Return how long an order works, by the venue's own books; None when they do not tell."""
        assert self.server is None, f"the books of {self.name} tell how long {client_order_id} works"
        return None

    async def truth(self) -> Sequence[Execution]:
        """Return every fill in the account of `access`, oldest first, by the venue's own books."""
        raise self._missing("truth")

    # Faults. With a `server` only `server` has to be given.

    def fault(
        self, fault: Fault, at: RequestKind | None = None, *, times: int | None = 1, seconds: float = 0.0
    ) -> None:
        """Arm a fault for the next requests of a kind, or of any; None times is all until `heal`."""
        assert self.server is not None, "override fault and heal"
        if at is None:
            self.server.arm(fault, times=times, seconds=seconds)
        else:
            self.server.arm(fault, times=times, seconds=seconds, matching=at)

    def heal(self) -> None:
        """Take every fault away."""
        assert self.server is not None, "override fault and heal"
        self.server.heal()

    def sent(self, *kinds: RequestKind) -> int:
        """Return how many requests of these kinds have come to the venue."""
        assert self.server is not None, "mark the case with Subject.HTTP"
        return sum(len(self.server.asked(kind)) for kind in kinds)

    def lift_limits(self) -> None:
        """Let the venue take as many requests as come."""

    async def everything_late(self) -> None:
        """Return when the venue has executed what reached it late."""
        if self.server is not None:
            await self.server.everything_late()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, for the venue and for the adapter."""
        self.time.jump(seconds)

    # What happens at the venue. Each belongs to a subject: a harness that `cannot` need not write it.

    async def set_price(self, price: Decimal) -> None:
        """Move the market of `symbol`; orders and exits that wait for the price are executed."""
        raise self._missing("set_price", price)

    def fill_partially(self, fraction: Decimal) -> None:
        """Let the next order fill to that part only; the rest works, or is cancelled where it may not."""
        raise self._missing("fill_partially", fraction)

    async def fill_rest(self) -> None:
        """Fill what works of partially filled orders, at their prices."""
        raise self._missing("fill_rest")

    def reject_later(self) -> None:
        """Let the next order be taken, and be rejected by the exchange before it fills."""
        raise self._missing("reject_later")

    def hide_orders(self, seconds: float) -> None:
        """Let new orders be absent from every look-up until they are that old."""
        raise self._missing("hide_orders", seconds)

    def revoke_key(self) -> None:
        """Let the keys of `access` be unknown from now on."""
        raise self._missing("revoke_key")

    def expire_token(self) -> None:
        """Let access tokens that are in use be refused as expired; the keys themselves stay good."""
        raise self._missing("expire_token")

    def expire_key(self) -> None:
        """Let the last day of the keys of `access` be over."""
        raise self._missing("expire_key")

    def allow_withdrawals(self) -> None:
        """Let the keys of `access` carry the right to withdraw."""
        raise self._missing("allow_withdrawals")

    def add_account(self) -> str:
        """Put a second usable account behind the keys of `access`, and return its number."""
        raise self._missing("add_account")

    def close_market(self) -> None:
        """Close the market of `symbol`."""
        raise self._missing("close_market")

    def hide_prices(self) -> None:
        """Let nobody bid, ask or trade in `symbol`."""
        raise self._missing("hide_prices")

    async def place_by_hand(self, side: Side, limit_price: Decimal) -> str:
        """Place a limit order over `quantity` that carries no client id; return its id at the venue."""
        raise self._missing("place_by_hand", side, limit_price)

    def exhaust_reads(self) -> None:
        """Use up what questions of `access` may use of the budget; orders have their part left."""
        raise self._missing("exhaust_reads")

    async def market_time(self) -> None:
        """Let pass what the venue needs until a taken order is filled; most fill at once."""

    # Shorthand for the cases.

    def questions(self, order: OrderRequest | None = None) -> dict[str, Callable[[], Awaitable[object]]]:
        """Return every question that cannot be answered without asking the venue, about one order."""
        adapter, access = self.adapter, self.access
        ref = self.ref(order or self.order())
        begun = self.time.now() - timedelta(hours=1)
        return {
            "validate": lambda: adapter.validate(access),
            "balance": lambda: adapter.balance(access),
            "rules": lambda: adapter.rules(access, self.symbol),
            "quote": lambda: adapter.quote(access, self.symbol),
            "find_order": lambda: adapter.find_order(access, ref),
            "open_orders": lambda: adapter.open_orders(access),
            "fills": lambda: adapter.fills(access, self.symbol, begun),
            "position": lambda: adapter.position(access, self.symbol),
            "positions": lambda: adapter.positions(access),
        }

    @property
    def kinds(self) -> frozenset[ExitKind]:
        """The exits that can be placed for an open position."""
        return self.adapter.capabilities.separate_exits

    async def marked(self, order: OrderRequest, access: AccountAccess | None = None) -> OrderRequest:
        """Return the order with the bookmark that is written down before it is sent."""
        return replace(order, bookmark=await self.adapter.bookmark(access or self.access))

    async def submit(
        self,
        order: OrderRequest,
        permit: Callable[[], None] = allow,
        *,
        access: AccountAccess | None = None,
    ) -> Outcome:
        """Send an order."""
        return await self.adapter.submit(access or self.access, order, permit)

    async def find(self, order: OrderRequest, access: AccountAccess | None = None) -> VenueOrder | None:
        """Look an order up by its client id, again and again until its visibility window has passed."""
        return await self.find_ref(self.ref(order), access)

    async def find_ref(self, ref: OrderRef, access: AccountAccess | None = None) -> VenueOrder | None:
        """Look up until the venue shows it or its visibility window has passed."""
        rounds = 2
        for _ in range(rounds):
            found = await self.adapter.find_order(access or self.access, ref)
            if found is not None:
                return found
            self.pass_time(self.adapter.visibility_seconds / rounds)
        return await self.adapter.find_order(access or self.access, ref)

    async def shown(self, order: OrderRequest) -> VenueOrder:
        """Return an order that the venue has to show."""
        found = await self.find(order)
        assert found is not None, f"the venue does not show {order.client_order_id}"
        return found

    async def side(self, access: AccountAccess | None = None) -> tuple[PositionSide, Decimal] | None:
        """Return what is open in `symbol`."""
        position = await self.adapter.position(access or self.access, self.symbol)
        return None if position is None else (position.side, position.quantity)

    async def enter(self, number: int = 1, **changes: Any) -> OrderRequest:
        """Buy `quantity` at the market, and return the order."""
        order = await self.marked(self.order(number, **changes))
        accepted(await self.submit(order))
        await self.market_time()
        return order

    def require(self, subject: Subject) -> None:
        """Skip the rest of a case for a venue that cannot, with its fact."""
        if subject in self.cannot:
            pytest.skip(self.cannot[subject])

    def _missing(self, member: str, *arguments: object) -> NotImplementedError:
        return NotImplementedError(f"the harness of {self.name} has no {member}{arguments}")
