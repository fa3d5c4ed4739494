"""What is posted, and what must come of it: data that the director plays and the checks compare with.

Every expectation is written down by hand, so that no code of the product decides what is right.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

ADA: Final = "Ada"
BEN: Final = "Ben"
PLANS: Final[Mapping[str, str]] = {ADA: "Pro", BEN: "Free"}
# How many orders must be in flight when the worker is killed, and how many of them at the venue: these must
# be found and not sent again, the others must be missed and sent.
LEAST_IN_FLIGHT: Final = 8
LEAST_AT_VENUE: Final = 5
# Below the workers' time-out for the venue, 2 s.
SLOW_VENUE_MS: Final = 1000


class Via(StrEnum):
    """How an alert proves whose it is, and how it is written."""

    URL = "url"
    BODY = "body"
    TEXT = "text"
    WRONG_TOKEN = "url?"  # noqa: S105 - the name of a case
    WRONG_SECRET = "body?"  # noqa: S105 - the name of a case


@dataclass(frozen=True, slots=True)
class Reply:
    """What the webhook must answer."""

    http: int
    status: str
    reason_code: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How the signal must end."""

    status: str
    reason_code: str | None = None


ACCEPTED: Final = Reply(200, "accepted")
DUPLICATE: Final = Reply(200, "duplicate", "duplicate")
DONE: Final = End("done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert.

    `age` is how many seconds before its posting it claims to have fired; `end` is None where no signal may be
    stored; `orders` is how many orders it needs at the venue; `raw` is posted as it is.
    """

    trader: str
    symbol: str
    action: str
    fields: Mapping[str, str] = field(default_factory=dict)
    via: Via = Via.URL
    age: float = 0.0
    copies: int = 1
    reply: Reply = ACCEPTED
    end: End | None = DONE
    orders: int = 1
    raw: bytes | None = None

    @property
    def name(self) -> str:
        """Name the alert in a sentence."""
        return f"{self.action} {self.symbol} of {self.trader}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Chains of alerts. Those of one chain are posted one after another, the chains side by side.

    `venue_ms` is how long Ada's venue takes for an order from here on. In an act that `kills`, the worker
    dies while orders are in flight, and the next act begins at once; one that is `after_recovery` begins
    when those alerts have ended. `latency` tells whether the act's alerts count for the latency.
    """

    title: str
    chains: tuple[tuple[Alert, ...], ...]
    kills: bool = False
    after_recovery: bool = False
    venue_ms: int | None = None
    latency: bool = True

    @property
    def alerts(self) -> Iterator[Alert]:
        """Every alert of the act."""
        return (alert for chain in self.chains for alert in chain)


@dataclass(frozen=True, slots=True)
class Scenario:
    """The whole demo, and what must be open when it is over: (trader, symbol) → side."""

    acts: tuple[Act, ...]
    open_at_end: Mapping[tuple[str, str], str]

    @property
    def alerts(self) -> Iterator[Alert]:
        """Every alert."""
        return (alert for act in self.acts for alert in act.alerts)


def _sized(quantity: str, price: str) -> dict[str, str]:
    return {"exchange": "paper", "quantity": quantity, "price": price}


def _entry(trader: str, symbol: str, action: str, quantity: str, price: str, via: Via = Via.URL) -> Alert:
    return Alert(trader=trader, symbol=symbol, action=action, fields=_sized(quantity, price), via=via)


def _close(trader: str, symbol: str, price: str, via: Via = Via.URL) -> Alert:
    return Alert(trader=trader, symbol=symbol, action="close", fields={"price": price}, via=via)


_HELLO: Final = Act(
    title="Good alerts of both forms",
    chains=(
        (
            _entry(ADA, "BTCUSDT", "buy", "0.05", "64000"),
            _entry(ADA, "ETHUSDT", "buy", "2", "3000", Via.BODY),
            _entry(ADA, "SOLUSDT", "sell", "10", "150", Via.TEXT),
            _entry(BEN, "EURUSD", "buy", "1000", "1.10"),
            _entry(BEN, "GBPUSD", "sell", "1000", "1.27", Via.BODY),
        ),
    ),
)

_THRICE: Final = Act(
    title="The same alert three times",
    chains=((replace(_entry(ADA, "BNBUSDT", "buy", "3", "590"), copies=3),),),
)

_REFUSED: Final = Act(
    title="What is refused, and why",
    chains=(
        (
            Alert(
                trader=ADA,
                symbol="BTCUSDT",
                action="buy",
                via=Via.WRONG_TOKEN,
                reply=Reply(404, "refused", "unknown_webhook"),
                end=None,
                orders=0,
            ),
            Alert(
                trader=ADA,
                symbol="BTCUSDT",
                action="buy",
                via=Via.WRONG_SECRET,
                reply=Reply(401, "refused", "unknown_webhook"),
                end=None,
                orders=0,
            ),
            Alert(
                trader=ADA,
                symbol="-",
                action="(garbled)",
                raw=b'{"symbol": "BTCUSDT", "action": "bu',
                reply=Reply(422, "rejected", "invalid_json"),
                end=End("rejected", "invalid_json"),
                orders=0,
            ),
            Alert(
                trader=ADA,
                symbol="BTCUSDT",
                action="buy",
                fields=_sized("1", "64000") | {"position_size_usd": "500"},
                reply=Reply(422, "rejected", "size_conflict"),
                end=End("rejected", "size_conflict"),
                orders=0,
            ),
            Alert(
                trader=ADA,
                symbol="LTCUSDT",
                action="buy",
                fields=_sized("5", "80"),
                age=300.0,
                end=End("expired", "signal_too_old"),
                orders=0,
            ),
            Alert(
                trader=ADA,
                symbol="ETHUSDT",
                action="buy",
                fields=_sized("1", "3001"),
                end=End("rejected", "position_exists"),
                orders=0,
            ),
            Alert(
                trader=ADA,
                symbol="LTCUSDT",
                action="close",
                end=End("done", "no_position"),
                orders=0,
            ),
        ),
    ),
)


_COINS: Final = {
    "ADAUSDT": ("0.45", Via.URL),
    "AVAXUSDT": ("28", Via.BODY),
    "DOTUSDT": ("6.1", Via.TEXT),
    "LINKUSDT": ("14.2", Via.URL),
    "XRPUSDT": ("0.52", Via.BODY),
}
_ROUND_TRIPS: Final = Act(
    title="Meanwhile, other symbols: buy, reverse, close",
    venue_ms=0,
    chains=(
        (
            *(_entry(ADA, coin, "buy", "10", price, via) for coin, (price, via) in _COINS.items()),
            # Against an open position, an entry closes it and opens the other side: two orders.
            *(
                replace(_entry(ADA, coin, "sell", "10", price, via), orders=2)
                for coin, (price, via) in _COINS.items()
            ),
            *(_close(ADA, coin, price, via) for coin, (price, via) in _COINS.items()),
        ),
    ),
)

_PAIRS: Final = ("USDJPY", "AUDUSD", "NZDUSD", "USDCAD", "USDCHF", "EURGBP", "EURJPY", "GBPJPY")
_OVER_LIMIT: Final = Act(
    title="More than Free allows in an hour",
    chains=(
        (
            *(_entry(BEN, pair, "buy", "100", "1.5") for pair in _PAIRS),
            Alert(
                trader=BEN,
                symbol="EURCHF",
                action="buy",
                fields=_sized("100", "0.95"),
                reply=Reply(429, "rate_limited", "plan_limit"),
                end=End("rate_limited", "plan_limit"),
                orders=0,
            ),
            # An exit passes, whatever the limit says.
            _close(BEN, "EURUSD", "1.11"),
        ),
    ),
)

_BURST_CLOSED: Final = ("APT", "ARB", "ATOM", "FIL", "HBAR", "ICP", "IMX", "INJ", "KAS", "MKR")
_BURST_REVERSED: Final = ("NEAR", "OP", "SEI", "SUI", "TIA")
_KILL: Final = Act(
    title="A worker dies with orders in flight",
    chains=(
        *(
            (_entry(ADA, f"{coin}USDT", "buy", "20", "5"), _close(ADA, f"{coin}USDT", "5.1", Via.BODY))
            for coin in _BURST_CLOSED
        ),
        *(
            (
                _entry(ADA, f"{coin}USDT", "buy", "20", "5", Via.BODY),
                replace(_entry(ADA, f"{coin}USDT", "sell", "20", "5.1"), orders=2),
            )
            for coin in _BURST_REVERSED
        ),
    ),
    kills=True,
    venue_ms=SLOW_VENUE_MS,
    latency=False,
)

_CLOSES: Final = Act(
    title="The recovery, and closes after it",
    after_recovery=True,
    chains=(
        (
            Alert(
                trader=ADA,
                symbol="BTCUSDT",
                action="close",
                fields={"close_percent": "50", "price": "64500"},
            ),
            _close(ADA, "ETHUSDT", "3050", Via.BODY),
            Alert(trader=ADA, symbol="NEARUSDT", action="close_short", fields={"price": "4.9"}),
        ),
    ),
)


def _open(trader: str, side: str, symbols: Iterable[str]) -> dict[tuple[str, str], str]:
    return {(trader, symbol): side for symbol in symbols}


SCENARIO: Final = Scenario(
    acts=(_HELLO, _THRICE, _REFUSED, _KILL, _ROUND_TRIPS, _OVER_LIMIT, _CLOSES),
    open_at_end=(
        _open(ADA, "long", ("BTCUSDT", "BNBUSDT"))
        | _open(ADA, "short", ("SOLUSDT", "OPUSDT", "SEIUSDT", "SUIUSDT", "TIAUSDT"))
        | _open(BEN, "long", _PAIRS)
        | _open(BEN, "short", ("GBPUSD",))
    ),
)
