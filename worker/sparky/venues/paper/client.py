"""Requests to the paper venue's book, with the outcome of every write classified."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from sparky.domain.answers import (
    NotSent,
    Outcome,
    Unknown,
)
from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable, VenueUnavailable
from sparky.domain.identifiers import AccountId, ClientOrderId
from sparky.domain.orders import ExitRequest, OrderRequest
from sparky.venues.base import Permit
from sparky.venues.paper.credentials import PaperTerms
from sparky.venues.paper.orders import exits_to_book, order_to_book, terms_to_book
from sparky.venues.paper.parse import CURRENCY, read_cancel, read_exits, read_submission


class Book(Protocol):
    """Where the paper venue keeps its book: functions called by name."""

    async def call(
        self, function: str, params: Mapping[str, Any], *, before_sending: Callable[[], None] = ...
    ) -> Any:
        """Call one, and return its answer; `before_sending` runs right before the first byte leaves.

        Raises:
            DatabaseUnavailable: no answer; `reached` tells whether it may have been executed.
            DatabaseContractError: the book does not understand the call.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Said:
    body: Any


class PaperClient:
    """Speaks to the book for one account at a time."""

    def __init__(self, book: Book) -> None:
        self._book = book

    async def submit(
        self, account: AccountId, terms: PaperTerms, order: OrderRequest, permit: Permit
    ) -> Outcome:
        """Send an order, once."""
        params = {
            **_account(account, terms),
            "p_order": order_to_book(order),
            "p_terms": terms_to_book(terms),
        }
        answer = await self._write("paper_submit", params, permit)
        return answer if isinstance(answer, NotSent | Unknown) else read_submission(answer.body)

    async def place_exits(
        self,
        account: AccountId,
        terms: PaperTerms,
        request: ExitRequest,
        market: Decimal | None,
        permit: Permit,
    ) -> Sequence[Outcome]:
        """Send exits, all in one write, once; `market` is the price now, where it is known."""
        params = {
            **_account(account, terms),
            "p_request": exits_to_book(request, market),
            "p_terms": terms_to_book(terms),
        }
        ids = [leg.client_order_id for leg in request.exits]
        answer = await self._write("paper_place_exits", params, permit)
        if isinstance(answer, NotSent | Unknown):
            return [answer for _ in ids]
        return read_exits(answer.body, ids)

    async def cancel(self, account: AccountId, client_order_id: ClientOrderId, permit: Permit) -> Outcome:
        """Cancel an order, whatever key of the account it was sent under."""
        params = {"p_account_id": account, "p_client_order_id": client_order_id}
        answer = await self._write("paper_cancel", params, permit)
        return answer if isinstance(answer, NotSent | Unknown) else read_cancel(answer.body)

    async def mark(self, account: AccountId, terms: PaperTerms, symbol: str, price: Decimal) -> None:
        """Tell a price: what waits for it is executed."""
        params = {**_account(account, terms), "p_symbol": symbol, "p_price": price}
        answer = await self._ask("paper_mark", params)
        if not isinstance(answer, int):
            raise VenueUnavailable("the paper venue did not answer paper_mark with a number")

    async def open(self, account: AccountId, terms: PaperTerms) -> Any:
        """Open the paper account of this key, or find it."""
        return await self._ask(
            "paper_open",
            {
                **_account(account, terms),
                "p_starting_balance": terms.starting_balance,
                "p_currency": CURRENCY,
            },
        )

    async def find_order(self, account: AccountId, client_order_id: ClientOrderId) -> Any:
        """Ask for the order of a client id, under whatever key of the account it was sent."""
        return await self._ask(
            "paper_find_order", {"p_account_id": account, "p_client_order_id": client_order_id}
        )

    async def open_orders(self, account: AccountId, terms: PaperTerms) -> Any:
        """Ask for the orders that work, and the exits that wait for their entry."""
        return await self._ask("paper_list_open", _account(account, terms))

    async def positions(self, account: AccountId, terms: PaperTerms) -> Any:
        """Ask for everything that is open."""
        return await self._ask("paper_list_positions", _account(account, terms))

    async def fills(self, account: AccountId, terms: PaperTerms, symbol: str, since: datetime) -> Any:
        """Ask for the orders in a symbol since a moment."""
        params = {**_account(account, terms), "p_symbol": symbol, "p_since": since.isoformat()}
        return await self._ask("paper_list_fills", params)

    async def _write(
        self, function: str, params: Mapping[str, Any], permit: Permit
    ) -> "_Said | NotSent | Unknown":
        try:
            return _Said(await self._book.call(function, params, before_sending=permit))
        except DatabaseUnavailable as error:
            return Unknown(str(error)) if error.reached else NotSent(str(error))
        except DatabaseContractError as error:
            # An answer outside the book's language tells nothing about the order.
            return Unknown(str(error))

    async def _ask(self, function: str, params: Mapping[str, Any]) -> Any:
        try:
            return await self._book.call(function, params)
        except (DatabaseUnavailable, DatabaseContractError) as error:
            raise VenueUnavailable(f"the paper venue did not answer {function}: {error}") from error


def _account(account: AccountId, terms: PaperTerms) -> dict[str, Any]:
    return {"p_account_id": account, "p_key_hash": terms.key_hash}
