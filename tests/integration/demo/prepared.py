"""A demo of two alerts that went well, for tests to spoil."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from scripts.demo.evidence import (
    Book,
    Evidence,
    Fill,
    Kill,
    LogSearch,
    Order,
    Position,
    Records,
    Seen,
    Sent,
    Signal,
    VenueOrder,
)
from scripts.demo.scenario import ACCEPTED, DUPLICATE, Act, Alert, Reply, Scenario
from scripts.testbed.trader import Answer

NAMES = {"Ada": "user-ada", "Ben": "user-ben"}
NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
BUY = Alert(trader="Ada", symbol="BTCUSDT", action="buy", copies=2)
CLOSE = Alert(trader="Ben", symbol="EURUSD", action="close")
REFUSED = Alert(
    trader="Ada", symbol="X", action="buy", reply=Reply(404, "refused", "unknown_webhook"), end=None, orders=0
)
SCENARIO = Scenario(
    acts=(
        Act(title="one", chains=((BUY, CLOSE, REFUSED),)),
        Act(title="two", chains=((),), kills=True, latency=False),
    ),
    open_at_end={("Ada", "BTCUSDT"): "long"},
)


def _sent(alert: Alert, expected: Reply, signal_id: str | None = None) -> Sent:
    body = {"status": expected.status, "reason_code": expected.reason_code, "signal_id": signal_id}
    answer = Answer(http=expected.http, body={name: value for name, value in body.items() if value})
    return Sent(act=0, alert=alert, expected=expected, posted_at=NOON, answer=answer)


def _signal(name: str, user_id: str, symbol: str, action: str, attempt: int) -> Signal:
    return Signal(
        id=name,
        user_id=user_id,
        symbol=symbol,
        action=action,
        status="done",
        reason_code=None,
        reason=None,
        attempt=attempt,
        received_at=NOON + timedelta(milliseconds=10),
        claimed_at=NOON + timedelta(milliseconds=20),
        submitted_at=NOON + timedelta(milliseconds=30),
        acknowledged_at=NOON + timedelta(milliseconds=40),
        finished_at=NOON + timedelta(milliseconds=50),
    )


def _order(name: str, user_id: str, signal_id: str, symbol: str, side: str) -> Order:
    return Order(
        id=name,
        user_id=user_id,
        signal_id=signal_id,
        leg=1,
        client_order_id=f"client-{name}",
        symbol=symbol,
        side=side,
        state="filled",
        submissions=1,
        quantity=Decimal(2),
        filled_quantity=Decimal(2),
    )


def _seen(name: str, **counts: int) -> Seen:
    user_id = NAMES[name]
    tables = {"signals": 1, "orders": 1, "fills": 1, "positions": 0, "trades": 0} | counts
    return Seen(
        trader=name,
        user_id=user_id,
        tables={table: [{"user_id": user_id}] * count for table, count in tables.items()},
        others_asked_for=0,
        key_status="valid",
    )


def good_evidence() -> Evidence:
    """Return what a run of the scenario leaves when all is well."""
    orders = [
        _order("o1", NAMES["Ada"], "s1", "BTCUSDT", "buy"),
        _order("o2", NAMES["Ben"], "s2", "EURUSD", "sell"),
    ]
    position = Position(user_id=NAMES["Ada"], symbol="BTCUSDT", quantity=Decimal(2))
    return Evidence(
        traders=NAMES,
        sent=[
            _sent(BUY, ACCEPTED, "s1"),
            _sent(BUY, DUPLICATE, "s1"),
            _sent(CLOSE, ACCEPTED, "s2"),
            _sent(REFUSED, REFUSED.reply),
        ],
        records=Records(
            signals=[
                _signal("s1", NAMES["Ada"], "BTCUSDT", "buy", 2),
                _signal("s2", NAMES["Ben"], "EURUSD", "close", 1),
            ],
            orders=orders,
            fills=[Fill(user_id=one.user_id, order_id=one.id, quantity=Decimal(2)) for one in orders],
            positions=[position],
            trades=[NAMES["Ben"]],
        ),
        book=Book(
            orders=[
                VenueOrder(
                    user_id=one.user_id,
                    client_order_id=one.client_order_id,
                    quantity=one.quantity,
                    arrivals=1,
                )
                for one in orders
            ],
            positions=[position],
            whole=True,
        ),
        kill=Kill(
            exit_code=-9,
            executing=frozenset({"s1"}),
            waiting=0,
            submitting=frozenset(f"c{number}" for number in range(8)),
            at_venue=0,
        ),
        seen=[_seen("Ada", positions=1), _seen("Ben", trades=1)],
        search=LogSearch(secrets=20, files=6, leaks=[]),
        stopped_with=0,
        one_clock=True,
    )


def with_records(evidence: Evidence, **changes: object) -> Evidence:
    """Return the evidence with some of Sparky's records changed."""
    return replace(evidence, records=replace(evidence.records, **changes))  # type: ignore[arg-type]
