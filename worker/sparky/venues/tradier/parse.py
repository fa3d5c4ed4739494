"""Orders as Tradier shows them, in our types.

An order is plain, a spread (`multileg`, `combo`) that has one state for all its legs, or a group (`oto`,
`oco`, `otoco`) whose legs are orders of their own. The tag of a group holds the client ids of its legs, with
dashes between them (`orders.py`), because Tradier keeps one tag for all.

Tradier tells how much of an order is executed and at what average, not the single executions. So an order's
executions are told once, as one fill, when nothing can be added any more: a fill that grew would be counted
twice, or not at all. While an order is partly filled, `filled_quantity` says how far it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sparky.domain.answers import AccountFill, Fill, VenueOrder
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import ExitKind, OrderState, Side
from sparky.venues.http import plain_words
from sparky.venues.tradier import codes, errors, wire
from sparky.venues.tradier.account import CURRENCY
from sparky.venues.tradier.symbols import from_venue

GROUPS: Final = frozenset({"oto", "oco", "otoco"})
_SPREADS: Final = frozenset({"multileg", "combo"})
_STATES: Final[Mapping[str, OrderState]] = {
    "pending": OrderState.ACCEPTED,
    "held": OrderState.ACCEPTED,
    "calculated": OrderState.ACCEPTED,
    "accepted_for_bidding": OrderState.ACCEPTED,
    "open": OrderState.WORKING,
    "pending_cancel": OrderState.WORKING,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "expired": OrderState.EXPIRED,
    "canceled": OrderState.CANCELLED,
    "rejected": OrderState.REFUSED,
    "error": OrderState.REFUSED,
}
_UNTRIED: Final = frozenset({"pending", "calculated", "accepted_for_bidding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An order, or a leg of a group. `leg_of` is the id of its group.

    `symbol` is ours; of a spread it is the underlying. `status` is None for a group, which has none.
    """

    order_id: str
    leg_of: str | None
    tag: str | None
    order_class: str
    status: str | None
    order_type: str
    side: str
    symbol: str
    quantity: Decimal
    executed: Decimal
    average: Decimal
    words: str
    created: datetime
    changed: datetime
    legs: tuple["Seen", ...] = ()

    @property
    def is_group(self) -> bool:
        """Its legs are orders of their own."""
        return self.order_class in GROUPS

    @property
    def is_spread(self) -> bool:
        """Its legs have one state in common."""
        return self.order_class in _SPREADS

    @property
    def opens(self) -> bool:
        """It is an entry: exits sell what was bought, or buy back what was sold short."""
        return self.side in {"buy", "sell_short", "buy_to_open", "sell_to_open"}

    @property
    def exit_kind(self) -> ExitKind:
        """What it is as an exit: with a limit it takes profit, with a stop it limits a loss."""
        return ExitKind.TAKE_PROFIT if self.order_type == "limit" else ExitKind.STOP_LOSS

    @property
    def is_rejected(self) -> bool:
        return self.status in {"rejected", "error"}

    @property
    def is_untried(self) -> bool:
        """Its checks are not through: it may still be rejected."""
        return self.status in _UNTRIED

    @property
    def is_undecided(self) -> bool:
        """The order service failed over it, and does not say what became of it."""
        return self.is_rejected and codes.is_undecided(self.words)

    @property
    def is_bound(self) -> bool:
        """It is a close that was turned down because of other orders, and may have been sent again."""
        return self.is_rejected and not self.executed and codes.is_bound(codes.code_in(self.words))


Raw = Mapping[str, Any]


def read_page(answer: Any) -> tuple[tuple[str, Raw], ...]:
    """Return the orders of a page by their ids, unread."""
    page = wire.one_or_many(answer, "orders", "order")
    return tuple((wire.identifier(one, "id"), one) for one in page)


def read_orders(raw: Iterable[Raw]) -> tuple[Seen, ...]:
    """Read orders."""
    return tuple(_seen(one) for one in raw)


def names(raw: Raw) -> tuple[str, ...]:
    """Return the client ids in the tag of an order."""
    return tuple((wire.optional_text(raw, "tag") or "").split("-"))


def read_one(answer: Any) -> Seen:
    """Read one order that was asked for by its id."""
    return _seen(wire.mapping(answer, "order"))


def _seen(source: Raw) -> Seen:
    tag = wire.optional_text(source, "tag")
    created = wire.optional_moment(source, "create_date")
    order_id = wire.identifier(source, "id")
    legs = tuple(_read(leg, tag, created, group=order_id) for leg in wire.elements(source.get("leg"), "leg"))
    if _class(source) not in GROUPS:
        return replace(_read(source, tag, created), legs=legs)
    if not legs:
        raise wire.NotUnderstood("leg")
    return Seen(
        order_id=order_id,
        leg_of=None,
        tag=tag,
        order_class=_class(source),
        status=None,
        order_type="",
        side="",
        symbol=legs[0].symbol,
        quantity=legs[0].quantity,
        executed=Decimal(0),
        average=Decimal(0),
        words=_words(source),
        created=created or legs[0].created,
        changed=created or legs[0].created,
        legs=legs,
    )


def _read(source: Raw, tag: str | None, created: datetime | None, *, group: str | None = None) -> Seen:
    created = created or wire.moment(source, "create_date")
    order_class = _class(source)
    spread = order_class in _SPREADS
    status = wire.text(source, "status").lower()
    if status not in _STATES:
        raise wire.NotUnderstood("status")
    return Seen(
        order_id=wire.identifier(source, "id"),
        leg_of=group,
        tag=tag,
        order_class=order_class,
        status=status,
        order_type=wire.text(source, "type").lower(),
        side=((wire.optional_text(source, "side") or "") if spread else wire.text(source, "side")).lower(),
        symbol=_symbol(source, order_class),
        quantity=wire.number(source, "quantity"),
        executed=wire.optional_number(source, "exec_quantity") or Decimal(0),
        average=abs(wire.optional_number(source, "avg_fill_price") or Decimal(0)),
        words=_words(source),
        created=created,
        changed=wire.optional_moment(source, "transaction_date") or created,
    )


def _class(source: Raw) -> str:
    return (wire.optional_text(source, "class") or "").lower()


def _symbol(source: Raw, order_class: str) -> str:
    option = None if order_class in _SPREADS else wire.optional_text(source, "option_symbol")
    return from_venue(option or wire.text(source, "symbol"))


def _words(source: Raw) -> str:
    return plain_words(wire.optional_text(source, "reason_description") or "")


def leg_id(seen: Seen) -> str:
    """Return the id by which an order is asked for again; a leg is found through its group."""
    return seen.order_id if seen.leg_of is None else f"{seen.leg_of}:{seen.order_id}"


def views(seen: Iterable[Seen]) -> tuple[tuple[Seen, VenueOrder], ...]:
    """Return every order, the legs of groups one by one, with what we say of it."""
    return tuple(view for one in seen for view in _views_of(one))


def _views_of(seen: Seen) -> tuple[tuple[Seen, VenueOrder], ...]:
    if not seen.is_group:
        client = None if seen.tag is None else ClientOrderId(seen.tag)
        return ((seen, _order(seen, client, seen.order_id)),)
    named = _client_ids(seen)
    return tuple(
        # The entry has the group's own id: whoever cancels it takes its exits along.
        (leg, _order(leg, named.get(leg.order_id), seen.order_id if leg.opens else leg_id(leg)))
        for leg in seen.legs
    )


def _client_ids(group: Seen) -> Mapping[str, ClientOrderId]:
    names = [ClientOrderId(part) for part in (group.tag or "").split("-") if part]
    entry = [leg for leg in group.legs if leg.opens]
    exits = sorted((leg for leg in group.legs if not leg.opens), key=lambda leg: _RANK[leg.exit_kind])
    # A tag that names the entry alone still says whose exits these are.
    return dict(zip((leg.order_id for leg in (*entry, *exits)), names, strict=False))


_RANK: Final = {ExitKind.TAKE_PROFIT: 0, ExitKind.STOP_LOSS: 1, ExitKind.TRAILING_STOP: 2}


def _order(seen: Seen, client: ClientOrderId | None, order_id: str) -> VenueOrder:
    state = _STATES[seen.status or ""]
    if seen.executed and state in {OrderState.WORKING, OrderState.ACCEPTED}:
        state = OrderState.PARTIALLY_FILLED
    if state is OrderState.FILLED and seen.executed < seen.quantity and not seen.is_spread:
        # Its one fill is told once: not before all of it is there.
        state = OrderState.PARTIALLY_FILLED if seen.executed else OrderState.WORKING
    if seen.executed and not seen.average and not seen.is_spread:
        raise wire.NotUnderstood("avg_fill_price")
    refused = errors.turned_down(seen.words) if seen.is_rejected else None
    return VenueOrder(
        client_order_id=client,
        venue_order_id=order_id,
        state=state,
        quantity=seen.quantity,
        filled_quantity=seen.executed,
        average_price=seen.average if seen.executed else None,
        fills=(_fill(seen, order_id),) if seen.executed and state.is_terminal else (),
        reason_code=refused.reason_code if refused else None,
        reason=refused.reason if refused else None,
        symbol=seen.symbol,
        side=_side(seen),
    )


def executions(seen: Iterable[Seen]) -> tuple[AccountFill, ...]:
    """Return what orders have executed, those of spreads by their legs."""
    return tuple(
        AccountFill(
            fill=fill,
            symbol=part.symbol,
            side=Side.BUY if part.side.startswith("buy") else Side.SELL,
            venue_order_id=order.venue_order_id,
            client_order_id=order.client_order_id,
        )
        for one, order in views(seen)
        if order.fills
        for part in (one.legs or (one,))
        if part.executed
        for fill in (order.fills if part is one else (_fill(part, leg_id(part)),))
    )


def _fill(seen: Seen, order_id: str) -> Fill:
    return Fill(
        venue_fill_id=order_id,
        price=seen.average,
        quantity=seen.executed,
        fee=None,
        fee_currency=CURRENCY,
        filled_at=seen.changed,
    )


def _side(seen: Seen) -> Side | None:
    if seen.is_spread and seen.order_type in {"debit", "credit"}:
        return Side.BUY if seen.order_type == "debit" else Side.SELL
    if not seen.side:
        return None
    return Side.BUY if seen.side.startswith("buy") else Side.SELL
