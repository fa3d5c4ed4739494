"""Sending orders and exits: fitted, sized, sent once, and their answers classified."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sparky.domain import fields
from sparky.domain.answers import Accepted, NotSent, Outcome, Refused, Unknown
from sparky.domain.errors import Refusal, VenueUnavailable, WorkOrderError
from sparky.domain.fitting import Misfit, fit, fit_exits
from sparky.domain.identifiers import ClientOrderId
from sparky.domain.orders import ExitRequest, OrderRequest
from sparky.venues.base import Permit
from sparky.venues.budget import Priority
from sparky.venues.http import Reply
from sparky.venues.refusals import misfit_refusal, refused_by
from sparky.venues.tastytrade.accounts import Accounts
from sparky.venues.tastytrade.capabilities import refusal_of, refusal_of_exits
from sparky.venues.tastytrade.client import SUCCESS, Caller, TastytradeClient
from sparky.venues.tastytrade.errors import outcome_of_error
from sparky.venues.tastytrade.instruments import Instruments
from sparky.venues.tastytrade.lookup import Orders
from sparky.venues.tastytrade.order_parse import ReadOrder, read_order
from sparky.venues.tastytrade.orders import complex_body, exit_body, order_body, spread_body
from sparky.venues.tastytrade.sizing import closes, held, nothing_open, sized
from sparky.venues.tastytrade.wire import LABEL, envelope

_NOT_UNDERSTOOD: Final = f"{LABEL} may have the order: its answer was not understood"
_PAIR: Final = 2


class Sender:
    """Sends orders for all traders."""

    def __init__(
        self, client: TastytradeClient, accounts: Accounts, instruments: Instruments, orders: Orders
    ) -> None:
        self._client = client
        self._accounts = accounts
        self._instruments = instruments
        self._orders = orders

    async def submit(self, caller: Caller, order: OrderRequest, permit: Permit) -> Outcome:
        """Send an order, once. Raises only what `permit` raises."""
        try:
            account = await self._accounts.number(caller)
            prepared = await self._prepare(caller, account, order)
        except VenueUnavailable as error:
            return NotSent(str(error))
        except Refusal as refusal:
            return refused_by(refusal)
        if isinstance(prepared, Refused):
            return prepared
        body, exits = prepared
        priority = Priority.EXIT if closes(order) else Priority.ENTRY
        if not exits:
            (outcome,) = await self._send(caller, f"/accounts/{account}/orders", [body], permit, priority)
            return outcome
        path = f"/accounts/{account}/complex-orders"
        first, *_ = await self._send(caller, path, [body, *exits], permit, priority, triggered=True)
        return first

    async def place_exits(self, caller: Caller, request: ExitRequest, permit: Permit) -> Sequence[Outcome]:
        """Send exits, two of them as one complex order. Raises only what `permit` raises."""
        outcome: Outcome
        try:
            account = await self._accounts.number(caller)
            bodies = await self._prepare_exits(caller, account, request)
        except VenueUnavailable as error:
            return [NotSent(str(error)) for _ in request.exits]
        except Refusal as refusal:
            outcome = refused_by(refusal)
            return [outcome for _ in request.exits]
        if isinstance(bodies, Refused):
            return [bodies for _ in request.exits]
        path = "complex-orders" if len(bodies) == _PAIR else "orders"
        return await self._send(caller, f"/accounts/{account}/{path}", bodies, permit, Priority.EXIT)

    async def _prepare(
        self, caller: Caller, account: str, order: OrderRequest
    ) -> tuple[dict[str, Any], list[dict[str, Any]]] | Refused:
        instrument = await self._instruments.find(caller, order.symbol)
        refusal = refusal_of(order, None if order.legs else instrument)
        if refusal is not None:
            return refusal
        if order.legs:
            rules = await self._instruments.spread_rules(caller, order.symbol)
        else:
            rules = await self._instruments.rules(caller, order.symbol)
        if closes(order):
            positions = await self._accounts.positions(caller, account, Priority.EXIT)
            bounded = sized(order, positions)
            if isinstance(bounded, Refused):
                return bounded
            order = bounded
        fitted = fit(order, rules)
        if isinstance(fitted, Misfit):
            return misfit_refusal(fitted)
        if fitted.legs:
            legs = [(leg, await self._instruments.find(caller, leg.symbol)) for leg in fitted.legs]
            return spread_body(fitted, legs), []
        exits = [exit_body(leg, instrument, fitted.quantity, fitted.side.opposite) for leg in fitted.exits]
        return order_body(fitted, instrument), exits

    async def _prepare_exits(
        self, caller: Caller, account: str, request: ExitRequest
    ) -> list[dict[str, Any]] | Refused:
        refusal = refusal_of_exits(request.exits)
        if refusal is not None:
            return refusal
        instrument = await self._instruments.find(caller, request.symbol)
        rules = await self._instruments.rules(caller, request.symbol)
        positions = await self._accounts.positions(caller, account, Priority.EXIT)
        side = request.side.closed_by
        open_now = held(positions, request.symbol, side)
        if open_now <= 0:
            return nothing_open([request.symbol])
        fitted = fit_exits(replace(request, quantity=min(request.quantity, open_now)), rules)
        if isinstance(fitted, Misfit):
            return misfit_refusal(fitted)
        return [exit_body(leg, instrument, fitted.quantity, side) for leg in fitted.exits]

    async def _send(
        self,
        caller: Caller,
        path: str,
        bodies: list[dict[str, Any]],
        permit: Permit,
        priority: Priority,
        *,
        triggered: bool = False,
    ) -> list[Outcome]:
        for body in bodies:
            self._orders.remember(body)
        if len(bodies) == 1:
            whole = bodies[0]
        else:
            whole = complex_body(bodies[1:], bodies[0]) if triggered else complex_body(bodies, None)
        reply = await self._client.write(caller, "POST", path, whole, permit, priority)
        if not isinstance(reply, Reply):
            return [reply for _ in bodies]
        if reply.status not in SUCCESS:
            outcome = outcome_of_error(reply)
            return [outcome for _ in bodies]
        return self._read(caller, reply, bodies)

    def _read(self, caller: Caller, reply: Reply, bodies: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        try:
            reads = _read_answer(reply, len(bodies))
        except WorkOrderError as error:
            return [Unknown(f"{_NOT_UNDERSTOOD}: {error.field}.") for _ in bodies]
        pairs = [(read, body["external-identifier"]) for read, body in zip(reads, bodies, strict=True)]
        if any(read.order.client_order_id == client_id for read, client_id in pairs):
            self._orders.has_echoed(caller.login.environment)
        outcomes = [_outcome(read, client_id) for read, client_id in pairs]
        for outcome in outcomes:
            if isinstance(outcome, Accepted):
                self._orders.note_number(caller.login.environment, outcome.order)
        return outcomes


def _read_answer(reply: Reply, expected: int) -> list[ReadOrder]:
    body = envelope(reply)
    data = fields.mapping(None if body is None else body.get("data"), "answer.data")
    if expected == 1:
        return [read_order(data.get("order"))]
    whole = fields.mapping(data.get("complex-order"), "answer.complex-order")
    trigger = whole.get("trigger-order")
    parts = [*([] if trigger is None else [trigger]), *fields.items(whole, "orders", "answer")]
    if len(parts) != expected:
        raise WorkOrderError("answer.complex-order", "has another number of orders")
    return [read_order(part) for part in parts]


def _outcome(read: ReadOrder, client_order_id: ClientOrderId) -> Outcome:
    if read.order.client_order_id not in {None, client_order_id}:
        return Unknown(f"{_NOT_UNDERSTOOD}: it names another order.")
    if read.status == "Rejected":
        reason = read.order.reason or f"{LABEL} rejected the order."
        return Refused(read.order.reason_code or "venue_refused", reason)
    return Accepted(replace(read.order, client_order_id=client_order_id))
