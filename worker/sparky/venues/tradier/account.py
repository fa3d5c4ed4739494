"""The account behind a token: which one it is, what it may do, its money and what it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sparky.domain.answers import Balance, VenuePosition
from sparky.domain.errors import CredentialsInvalid
from sparky.domain.orders import PositionSide
from sparky.venues.tradier import wire
from sparky.venues.tradier.symbols import from_venue, is_option

CURRENCY: Final = "USD"
_ACTIVE: Final = "active"
_CASH: Final = "cash"
_CONTRACT: Final = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as the profile of its owner tells it. `option_level` goes from 0 to 6."""

    number: str
    status: str
    kind: str
    option_level: int
    day_trader: bool

    @property
    def may_short(self) -> bool:
        """Only margin accounts sell shares short."""
        return self.kind != _CASH


def read_accounts(answer: Any) -> tuple[Account, ...]:
    """Read the accounts of a profile, which are an object where there is one."""
    profile = wire.mapping(answer, "profile")
    return tuple(_account(one) for one in wire.elements(profile.get("account"), "profile.account"))


def _account(source: Mapping[str, Any]) -> Account:
    return Account(
        number=wire.text(source, "account_number"),
        status=(wire.optional_text(source, "status") or _ACTIVE).lower(),
        kind=(wire.optional_text(source, "type") or _CASH).lower(),
        option_level=int(wire.optional_number(source, "option_level") or 0),
        day_trader=source.get("day_trader") in (True, "true"),
    )


def choose(accounts: tuple[Account, ...], number: str | None) -> Account:
    """Return the account that the trader has named, or the only one that can trade.

    Raises:
        CredentialsInvalid: there is no such account, none that is active, or several and none is named.
    """
    listed = ", ".join(one.number for one in accounts) or "none"
    if number is not None:
        named = next((one for one in accounts if one.number.upper() == number), None)
        if named is None:
            raise CredentialsInvalid(
                f"This Tradier token has no account {number}; it has {listed}. Give one of these "
                "as account_id."
            )
        if named.status != _ACTIVE:
            raise CredentialsInvalid(
                f"The Tradier account {number} is {named.status}: ask Tradier to activate it."
            )
        return named
    usable = [one for one in accounts if one.status == _ACTIVE]
    if not usable:
        raise CredentialsInvalid(
            f"This Tradier token has no active account (it has {listed}): ask Tradier to activate one."
        )
    if len(usable) > 1:
        listed = ", ".join(one.number for one in usable)
        raise CredentialsInvalid(
            f"This Tradier token has several accounts: {listed}. Give one of them as account_id."
        )
    return usable[0]


def read_balance(answer: Any) -> Balance:
    """Read the balances; what new orders may use is under `margin`, `pdt` or `cash`, by the type."""
    balances = wire.mapping(answer, "balances")
    return Balance(
        currency=CURRENCY,
        equity=wire.number(balances, "total_equity"),
        available=_available(balances),
        cash=wire.optional_number(balances, "total_cash"),
        unrealized_pnl=wire.optional_number(balances, "open_pl"),
    )


def _available(balances: Mapping[str, Any]) -> Decimal:
    for part, name in (
        ("pdt", "stock_buying_power"),
        ("margin", "stock_buying_power"),
        ("cash", "cash_available"),
    ):
        held = balances.get(part)
        if isinstance(held, Mapping):
            return wire.number(held, name)
    raise wire.NotUnderstood("balances")


@dataclass(frozen=True, slots=True)
class Held:
    """What an account holds: signed quantities by our symbol, and positions without the empty ones."""

    quantities: Mapping[str, Decimal]
    positions: tuple[VenuePosition, ...]


def read_positions(answer: Any) -> Held:
    """Read the positions. `cost_basis` is the whole cost, also of the 100 shares behind each contract."""
    quantities: dict[str, Decimal] = {}
    costs: dict[str, Decimal] = {}
    for one in wire.one_or_many(answer, "positions", "position"):
        symbol = from_venue(wire.text(one, "symbol"))
        quantities[symbol] = quantities.get(symbol, Decimal(0)) + wire.number(one, "quantity")
        costs[symbol] = costs.get(symbol, Decimal(0)) + wire.number(one, "cost_basis")
    return Held(
        quantities,
        tuple(
            VenuePosition(
                symbol=symbol,
                side=PositionSide.LONG if quantity > 0 else PositionSide.SHORT,
                quantity=abs(quantity),
                entry_price=_entry_price(symbol, quantity, costs[symbol]),
            )
            for symbol, quantity in quantities.items()
            if quantity
        ),
    )


def _entry_price(symbol: str, quantity: Decimal, cost: Decimal) -> Decimal:
    units = abs(quantity) * (_CONTRACT if is_option(symbol) else Decimal(1))
    return wire.tidy(abs(cost) / units)
