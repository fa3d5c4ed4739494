"""Requests to the paper venue's book, with the outcome of every write classified."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from sparky.domain.answers import (
    NotSent,
    Outcome,
    Unknown,
)
from sparky.domain.errors import DatabaseContractError, DatabaseUnavailable, VenueUnavailable
from sparky.domain.identifiers import AccountId, ClientOrderId
from sparky.domain.orders import OrderRequest
from sparky.venues.base import Permit
from sparky.venues.paper.credentials import PaperTerms
from sparky.venues.paper.orders import order_to_book, terms_to_book
from sparky.venues.paper.parse import CURRENCY, read_submission


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
        try:
            answer = await self._book.call("paper_submit", params, before_sending=permit)
        except DatabaseUnavailable as error:
            return Unknown(str(error)) if error.reached else NotSent(str(error))
        except DatabaseContractError as error:
            # An answer outside the book's language tells nothing about the order.
            return Unknown(str(error))
        return read_submission(answer)

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

    async def positions(self, account: AccountId, terms: PaperTerms) -> Any:
        """Ask for everything that is open."""
        return await self._ask("paper_list_positions", _account(account, terms))

    async def fills(self, account: AccountId, terms: PaperTerms, symbol: str, since: datetime) -> Any:
        """Ask for the orders in a symbol since a moment."""
        params = {**_account(account, terms), "p_symbol": symbol, "p_since": since.isoformat()}
        return await self._ask("paper_list_fills", params)

    async def _ask(self, function: str, params: Mapping[str, Any]) -> Any:
        try:
            return await self._book.call(function, params)
        except (DatabaseUnavailable, DatabaseContractError) as error:
            raise VenueUnavailable(f"the paper venue did not answer {function}: {error}") from error


def _account(account: AccountId, terms: PaperTerms) -> dict[str, Any]:
    return {"p_account_id": account, "p_key_hash": terms.key_hash}
