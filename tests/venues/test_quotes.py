"""What each venue's prices need beyond the conformance suite."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.answers import Quote
from sparky.domain.errors import Refusal, VenueUnavailable
from sparky.venues.aster.quotes import read_quote as read_aster
from sparky.venues.aster.reading import Unreadable
from sparky.venues.oanda.quotes import read_quote as read_oanda
from sparky.venues.tradier.quotes import read_quote as read_tradier
from tests.venues.fakes.messages import json_response
from tests.venues.fakes.oanda.harness import OandaHarness
from tests.venues.fakes.server import FakeRequest, FakeResponse
from tests.venues.fakes.tastytrade.harness import TastytradeHarness
from tests.venues.harness import says_what_to_do

BOOK = {"symbol": "BTCUSDT", "bidPrice": "99.9", "askPrice": "100.1", "time": 1}


def priced(**changes: Any) -> dict[str, Any]:
    price = {
        "instrument": "EUR_JPY",
        "tradeable": True,
        "bids": [{"price": "160.10", "liquidity": 1}, {"price": "160.00", "liquidity": 9}],
        "asks": [{"price": "160.12", "liquidity": 1}],
        "closeoutBid": "159.90",
        "closeoutAsk": "160.30",
    }
    return {
        "prices": [{**price, **changes}],
        "homeConversions": [
            {"currency": "EUR", "accountGain": "1.09", "accountLoss": "1.11", "positionValue": "1.10"},
            {"currency": "JPY", "accountGain": "0.0066", "accountLoss": "0.0068", "positionValue": "0.0067"},
        ],
    }


@pytest.fixture
async def oanda() -> AsyncIterator[OandaHarness]:
    async with OandaHarness.open() as venue:
        yield venue


@pytest.fixture
async def tastytrade() -> AsyncIterator[TastytradeHarness]:
    async with TastytradeHarness.open() as venue:
        yield venue


def test_aster_s_zero_is_no_price_of_that_side() -> None:
    quote = read_aster({**BOOK, "bidPrice": "0.00000000"}, "BTCUSDT")
    assert (quote.bid, quote.ask) == (None, Decimal("100.1"))
    with pytest.raises(Refusal, match="Aster has no price of BTCUSDT"):
        read_aster({**BOOK, "bidPrice": "0", "askPrice": "0"}, "BTCUSDT")


def test_aster_s_price_of_another_symbol_is_not_believed() -> None:
    with pytest.raises(Unreadable):
        read_aster(BOOK, "ETHUSDT")


def test_oanda_tells_what_a_yen_is_worth_to_an_account_in_dollars() -> None:
    quote = read_oanda(priced(), "EUR_JPY", "USD")
    assert (quote.bid, quote.ask, quote.account_rate) == (
        Decimal("160.10"),
        Decimal("160.12"),
        Decimal("0.0067"),
    )
    assert read_oanda(priced(), "EUR_JPY", "JPY").account_rate == 1


def test_oanda_s_older_factors_serve_where_there_are_no_conversions() -> None:
    factors = {"quoteHomeConversionFactors": {"positiveUnits": "0.0065", "negativeUnits": "0.0069"}}
    answer = {"prices": priced(**factors)["prices"]}
    assert read_oanda(answer, "EUR_JPY", "USD").account_rate == Decimal("0.0065")


async def test_without_any_conversion_oanda_s_price_is_no_answer(oanda: OandaHarness) -> None:
    oanda.server.prices["USD_JPY"] = Decimal(150)
    quote = await oanda.adapter.quote(oanda.access, "USD_JPY")
    assert quote.account_rate == Decimal("0.00666667")
    answer = oanda.server._pricing

    def unconverted(ledger: Any, params: Any) -> dict[str, Any]:
        return {"prices": answer(ledger, params)["prices"]}

    oanda.server._pricing = unconverted  # type: ignore[method-assign]
    with pytest.raises(VenueUnavailable, match="quoteHomeConversionFactors"):
        await oanda.adapter.quote(oanda.access, "USD_JPY")


def test_oanda_s_close_out_price_serves_where_a_side_is_empty() -> None:
    quote = read_oanda(priced(bids=[]), "EUR_JPY", "USD")
    assert (quote.bid, quote.ask) == (Decimal("159.90"), Decimal("160.12"))


def test_what_cannot_be_traded_at_oanda_has_a_price_that_is_not_of_now() -> None:
    assert read_oanda(priced(tradeable=False), "EUR_JPY", "USD").is_delayed
    assert not read_oanda(priced(), "EUR_JPY", "USD").is_delayed


async def test_oanda_tells_the_pip(oanda: OandaHarness) -> None:
    pips = {name: (await oanda.adapter.rules(oanda.access, name)).pip for name in ("EUR_USD", "USD_JPY")}
    assert pips == {"EUR_USD": Decimal("0.0001"), "USD_JPY": Decimal("0.01")}


@pytest.mark.parametrize("nobody", [0, None, "null"])
def test_tradier_s_quote_is_what_there_is(nobody: Any) -> None:
    answer = {"quotes": {"quote": {"symbol": "AAPL", "last": "200.5", "bid": nobody, "ask": nobody}}}
    expected = Quote(symbol="AAPL", last=Decimal("200.5"), is_delayed=True)
    assert read_tradier(answer, "AAPL", is_delayed=True) == expected


async def test_tastytrade_s_sandbox_without_prices_says_so(tastytrade: TastytradeHarness) -> None:
    said = await refused_by(tastytrade, FakeResponse(502, b"<html>Bad Gateway</html>"))
    assert "sandbox has no prices" in said.reason


async def test_a_login_without_market_data_keeps_its_keys(tastytrade: TastytradeHarness) -> None:
    error = {"error": {"code": "not_permitted", "message": "User not permitted access"}}
    said = await refused_by(tastytrade, json_response(403, error))
    assert "not permitted" in said.reason
    day = (await tastytrade.adapter.expirations(tastytrade.access, "AAPL"))[0]
    chain = await tastytrade.adapter.option_chain(tastytrade.access, "AAPL", day)
    assert [one.bid for one in chain] == [None] * len(chain)


async def refused_by(venue: TastytradeHarness, answer: FakeResponse) -> Refusal:
    handle = venue.server.handle

    async def without_market_data(request: FakeRequest) -> FakeResponse:
        return answer if "/market-data/" in request.path else await handle(request)

    venue.server.handle = without_market_data  # type: ignore[method-assign]
    with pytest.raises(Refusal) as caught:
        await venue.adapter.quote(venue.access, "AAPL")
    assert caught.value.reason_code == "no_price"
    says_what_to_do(caught.value.reason)
    return caught.value
