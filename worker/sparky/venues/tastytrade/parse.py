"""tastytrade's accounts, money and positions in our types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.answers import Balance, VenuePosition
from sparky.domain.errors import WorkOrderError
from sparky.domain.orders import PositionSide
from sparky.venues.tastytrade.symbols import to_ours
from sparky.venues.tastytrade.wire import data_items, flag, number, signed

_CURRENCY: Final = "USD"
_SIDES: Final[Mapping[str, PositionSide]] = {"Long": PositionSide.LONG, "Short": PositionSide.SHORT}


@dataclass(frozen=True, slots=True)
class Account:
    """An account behind a login; `owned` when the venue says that the login is its owner's."""

    number: str
    is_closed: bool
    owned: bool


def read_accounts(body: Mapping[str, Any]) -> tuple[Account, ...]:
    """Read the accounts of a login.

    Raises:
        WorkOrderError: the answer is not in the venue's language.
    """
    return tuple(_read_account(item) for item in data_items(body, "accounts"))


def _read_account(item: Mapping[str, Any]) -> Account:
    account = fields.mapping(item.get("account"), "account")
    return Account(
        number=fields.text(account, "account-number", "account"),
        is_closed=flag(account, "is-closed", missing=False),
        owned=item.get("authority-level") == "owner",
    )


def read_balance(body: Mapping[str, Any]) -> Balance:
    """Read an account's money: what new orders may use is what derivatives may, which no margin doubles.

    Raises:
        WorkOrderError: the answer is not in the venue's language.
    """
    data = fields.mapping(body.get("data"), "balances")
    # One object, or in newer versions of the interface a list by currency.
    if "items" in data:
        items = data_items(body, "balances")
        data = next((one for one in items if one.get("currency", _CURRENCY) == _CURRENCY), {})
    return Balance(
        currency=_CURRENCY,
        equity=signed(data, "net-liquidating-value", "balances"),
        available=signed(data, "derivative-buying-power", "balances"),
        cash=signed(data, "cash-balance", "balances"),
    )


def read_positions(body: Mapping[str, Any]) -> tuple[VenuePosition, ...]:
    """Read everything that is open.

    Raises:
        WorkOrderError: the answer is not in the venue's language.
    """
    read = (_read_position(item) for item in data_items(body, "positions"))
    return tuple(position for position in read if position is not None)


def _read_position(source: Mapping[str, Any]) -> VenuePosition | None:
    quantity = number(source, "quantity", "position")
    direction = fields.text(source, "quantity-direction", "position")
    if direction == "Zero" or quantity == 0:
        return None
    side = _SIDES.get(direction)
    if side is None:
        raise WorkOrderError("position.quantity-direction", "is neither Long nor Short")
    return VenuePosition(
        symbol=to_ours(
            fields.text(source, "symbol", "position"), fields.text(source, "instrument-type", "position")
        ),
        side=side,
        quantity=quantity,
        entry_price=number(source, "average-open-price", "position"),
    )
