"""The market data of the fake Tradier: quotes, a search, the clock, and chains of options."""

from datetime import date
from decimal import Decimal
from typing import Any

from sparky.domain.options import Right, parse_option
from tests.venues.fakes.book import Book
from tests.venues.fakes.messages import FakeResponse, json_response
from tests.venues.fakes.tradier import words
from tests.venues.fakes.tradier.forms import Form

_SPREAD = Decimal("0.10")
_TICK = Decimal("0.01")


class Markets:
    """What is listed, and whether the market is open. Symbols are Tradier's."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.state = "open"
        self.unquoted: set[str] = set()

    def answer(self, path: str, params: dict[str, str]) -> FakeResponse:
        """Answer a question under `/v1/markets/`."""
        name = path.removeprefix("/v1/markets/")
        if name == "quotes":
            return json_response(200, {"quotes": self._quotes(params["symbols"].split(","))})
        if name == "lookup":
            found = [
                {"symbol": one, "exchange": "Q", "type": "stock", "description": one}
                for one in self.book.symbols
                if parse_option(one) is None and one.startswith(params["q"])
            ]
            return json_response(200, words.listed("securities", "security", found))
        if name == "clock":
            return json_response(
                200, {"clock": {"state": self.state, "next_change": "16:00", "timestamp": 1}}
            )
        if name == "options/expirations":
            days = sorted({one.expiration.isoformat() for one in self._options(params["symbol"])})
            return json_response(200, words.listed("expirations", "date", days))
        if name == "options/chains":
            return json_response(200, self._chain(params["symbol"], date.fromisoformat(params["expiration"])))
        return FakeResponse(404, b"<html>Not Found</html>", {"Content-Type": "text/html"})

    def net_is_met(self, form: Form) -> bool:
        """Tell whether a spread's net price is what the market gives."""
        if form.net_type == "market":
            return True
        units = min(leg.quantity for leg in form.legs)
        net = sum(
            (
                self.book.price(leg.symbol) * leg.quantity / units * (1 if leg.side.startswith("buy") else -1)
                for leg in form.legs
            ),
            Decimal(0),
        )
        most = form.net_price or Decimal(0)
        return net <= (-most if form.net_type == "credit" else most)

    def _quotes(self, symbols: list[str]) -> dict[str, Any]:
        quotes = [self._quote(one) for one in symbols if one in self.book.symbols]
        unknown = [one for one in symbols if one not in self.book.symbols]
        answer: dict[str, Any] = {}
        if quotes:
            answer["quote"] = quotes[0] if len(quotes) == 1 else quotes
        if unknown:
            answer["unmatched_symbols"] = {"symbol": unknown[0] if len(unknown) == 1 else unknown}
        return answer

    def _quote(self, symbol: str) -> dict[str, Any]:
        price = self.book.price(symbol)
        quote = {
            "symbol": symbol,
            "last": price,
            "bid": price - _TICK,
            "ask": price + _TICK,
            "type": "stock",
            "exch": "Q",
        }
        if symbol in self.unquoted:
            quote |= {"last": None, "bid": 0, "ask": 0}
        option = parse_option(symbol)
        if option is not None:
            quote |= {"type": "option", "underlying": _underlying(option.root), "contract_size": 100}
        return quote

    def _options(self, underlying: str) -> list[Any]:
        parsed = [parse_option(one) for one in self.book.symbols]
        return [one for one in parsed if one is not None and _underlying(one.root) == underlying]

    def _chain(self, underlying: str, expiration: date) -> dict[str, Any]:
        return words.listed(
            "options",
            "option",
            [
                {
                    "symbol": one.compact,
                    "underlying": underlying,
                    "root_symbol": one.root,
                    "strike": one.strike,
                    "contract_size": 100,
                    "expiration_date": one.expiration.isoformat(),
                    "option_type": "call" if one.right is Right.CALL else "put",
                    "bid": self.book.price(one.compact) - _SPREAD,
                    "ask": self.book.price(one.compact) + _SPREAD,
                }
                for one in self._options(underlying)
                if one.expiration == expiration
            ],
        )


def _underlying(root: str) -> str:
    # Roots have no slash: that of BRK/B is BRKB.
    return {"BRKB": "BRK/B"}.get(root, root)
