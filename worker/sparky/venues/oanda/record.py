"""OANDA's record of an account, read from a transaction or a moment on. It is complete and kept for ever."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from sparky.domain import fields
from sparky.domain.errors import VenueUnavailable, WorkOrderError
from sparky.venues.oanda.account import Account
from sparky.venues.oanda.client import TRANSACTION_NUMBER, Answer, OandaClient
from sparky.venues.oanda.parse import understanding

_PLACE: Final = "transactions"
# One answer holds the oldest 1000 (https://github.com/yhilpisch/tpqoa/issues/25); this bounds a look-up to
# tens of thousands, which no account reaches while an order of ours is unknown.
_MOST_PAGES: Final = 40
_PAGE_SIZE: Final = 1000


Record = list[Mapping[str, Any]]
"""Transactions as OANDA wrote them, oldest first: only those that matter to a question are read closely."""


async def read_since(client: OandaClient, account: Account, transaction_id: int) -> Record:
    """Return the transactions after one, oldest first.

    Raises:
        VenueUnavailable: they cannot be read whole.
        CredentialsInvalid: the token is not let in.
    """
    read: Record = []
    path = account.path("transactions/sinceid")
    for _ in range(_MOST_PAGES):
        answer = await client.ask(account.login, path, f"id={transaction_id}")
        with understanding("record"):
            page, last = _page(answer)
        read += page.values()
        if not page or max(page) >= last:
            return read
        if max(page) <= transaction_id:
            break
        transaction_id = max(page)
    raise VenueUnavailable("OANDA's record could not be read to its end.")


async def read_from(client: OandaClient, account: Account, moment: datetime) -> Record:
    """Return the transactions since a moment, oldest first. Raises as `read_since`."""
    since = quote(f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z", safe="")
    answer = await client.ask(
        account.login, account.path("transactions"), f"from={since}&pageSize={_PAGE_SIZE}"
    )
    with understanding("list of pages"):
        first = _first_of_pages(_body(answer))
    return [] if first is None else await read_since(client, account, first - 1)


def _page(answer: Answer) -> tuple[dict[int, Mapping[str, Any]], int]:
    body = _body(answer)
    items = [fields.mapping(one, _PLACE) for one in fields.items(body, "transactions", _PLACE)]
    page = {transaction_number(fields.text(one, "id", _PLACE)): one for one in items}
    last = transaction_number(fields.text(body, "lastTransactionID", _PLACE))
    return dict(sorted(page.items())), last


def _first_of_pages(body: Mapping[str, Any]) -> int | None:
    pages = fields.items(body, "pages", _PLACE)
    if not pages:
        return None
    # Of the page's address only the number is used: a token goes to no address that an answer names.
    query = parse_qs(urlsplit(fields.as_text(pages[0], _PLACE)).query)
    return transaction_number(next(iter(query.get("from", [])), ""))


def _body(answer: Answer) -> Mapping[str, Any]:
    if not answer.ok:
        raise WorkOrderError(_PLACE, answer.code or "is refused")
    return answer.body


def transaction_number(text: str) -> int:
    """Read a transaction's id, which OANDA counts up for each account.

    Raises:
        WorkOrderError: it is not one.
    """
    if not TRANSACTION_NUMBER.fullmatch(text):
        raise WorkOrderError(f"{_PLACE}.id", "must be a whole number in text")
    return int(text)
