"""What is sent to change something, and how it ended."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from sparky.domain.answers import Accepted, NotSent, Outcome, Refused, Unknown, VenueOrder
from sparky.domain.errors import CredentialsInvalid, Refusal, VenueUnavailable
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import OrderRef, OrderState
from sparky.domain.reasons import Reason
from sparky.venues.aster.account import read_leverage
from sparky.venues.aster.client import AsterClient, Said, Write, understood
from sparky.venues.aster.errors import NO_SUCH_ORDER
from sparky.venues.aster.lookup import Account, LookUp, is_meant
from sparky.venues.aster.markets import Markets
from sparky.venues.aster.orders import cancellation
from sparky.venues.aster.parse import OrderAnswer, read_order
from sparky.venues.aster.reading import Unreadable
from sparky.venues.aster.symbols import to_venue
from sparky.venues.base import Permit
from sparky.venues.budget import Priority

_LEAST_LEVERAGE: Final = 1
_MOST_LEVERAGE: Final = 125
_CODES_OF_ABSENCE: Final = frozenset(map(str, NO_SUCH_ORDER))


class Writer:
    """Sends writes, each once."""

    def __init__(self, client: AsterClient, look_up: LookUp, markets: Markets) -> None:
        self._client = client
        self._look_up = look_up
        self._markets = markets

    async def place(
        self, account: Account, write: Write, client_order_id: ClientOrderId, permit: Permit
    ) -> Outcome:
        """Send an order."""
        said = await self._client.write(account.environment, account.keys, write, permit)
        if isinstance(said, Refused):
            self._markets.learn(account, said)
        if not isinstance(said, Said):
            return said
        try:
            answer = read_order(said.body)
        except Unreadable as error:
            return Unknown(f"Aster's answer to the order was not understood: {error}.")
        if answer.order.client_order_id != client_order_id:
            return Unknown("Aster's answer was about another order than the one that was sent.")
        return Accepted(await self._with_fills(account, answer))

    async def cancel(self, account: Account, ref: OrderRef, permit: Permit) -> Outcome:
        """Cancel an order; when Aster says no, what it shows of the order decides."""
        said = await self._client.write(account.environment, account.keys, cancellation(ref), permit)
        if isinstance(said, Refused):
            return await self._after_refused_cancel(account, ref, said)
        if not isinstance(said, Said):
            return said
        try:
            answer = read_order(said.body)
        except Unreadable as error:
            return Unknown(f"Aster's answer to the cancellation was not understood: {error}.")
        if not is_meant(answer, ref):
            return Unknown("Aster's answer was about another order than the one that was to be cancelled.")
        return Accepted(await self._with_fills(account, answer))

    async def set_leverage(self, account: Account, symbol: str, leverage: int) -> None:
        """Set the leverage of a symbol (`POST /fapi/v3/leverage`, an integer from 1 to 125).

        Raises:
            VenueUnavailable: it may or may not be set, and may be set again.
            CredentialsInvalid: Aster does not accept the keys.
            Refusal: Aster does not allow it.
        """
        if not _LEAST_LEVERAGE <= leverage <= _MOST_LEVERAGE:
            raise Refusal(
                Reason.INVALID_VALUE,
                f"Aster's leverage goes from {_LEAST_LEVERAGE} to {_MOST_LEVERAGE}, not to {leverage}: send "
                "one within that.",
            )
        params = [("symbol", to_venue(symbol)), ("leverage", str(leverage))]
        write = Write(method="POST", path="/fapi/v3/leverage", params=params)
        said = await self._client.write(account.environment, account.keys, write, _always)
        if isinstance(said, NotSent | Unknown) or (isinstance(said, Refused) and said.try_again):
            raise VenueUnavailable(said.reason)
        if isinstance(said, Refused):
            if said.reason_code == Reason.CREDENTIALS_INVALID:
                raise CredentialsInvalid(said.reason)
            code = said.reason_code
            raise Refusal(code if isinstance(code, Reason) else Reason.VENUE_REFUSED, said.reason)
        if understood(read_leverage, said.body) != leverage:
            raise VenueUnavailable("Aster answered with another leverage than the one that was sent.")

    async def _after_refused_cancel(self, account: Account, ref: OrderRef, refused: Refused) -> Outcome:
        if refused.venue_code not in _CODES_OF_ABSENCE:
            return refused
        try:
            found = await self._look_up.find(account, ref, Priority.EXIT)
        except (VenueUnavailable, Refusal) as error:
            return Unknown(f"Aster does not know the order to cancel, and it cannot be looked up: {error}")
        if found is not None:
            return Accepted(found)
        return Refused(
            Reason.VENUE_REFUSED,
            f"Aster shows no order {ref.client_order_id} in {ref.symbol} ({refused.venue_code}): there is "
            "nothing to cancel.",
            refused.venue_code,
        )

    async def _with_fills(self, account: Account, answer: OrderAnswer) -> VenueOrder:
        try:
            return await self._look_up.with_fills(account, answer)
        except (VenueUnavailable, Refusal):
            # Aster has the order, and does not tell yet what it executed: it is not over until that is known.
            return replace(
                answer.order, state=OrderState.ACCEPTED, filled_quantity=Decimal(0), average_price=None
            )


def _always() -> None:
    """Permit what may be repeated."""
