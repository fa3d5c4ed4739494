"""The ticker of the paper venue: a price, an unknown symbol, or no answer."""

from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest

from sparky.domain.errors import VenueUnavailable
from sparky.venues.paper.feed import HttpPriceFeed

URL = "https://feed.example/price?symbol={symbol}"


async def ask(handler: Callable[[httpx.Request], httpx.Response], symbol: str = "BTCUSDT") -> Decimal | None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        return await HttpPriceFeed(URL, client).price(symbol)


async def test_a_price_keeps_its_digits_and_the_symbol_is_quoted() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={"price": "0.10000001"})

    assert await ask(handler, "A/B&C") == Decimal("0.10000001")
    assert seen == ["https://feed.example/price?symbol=A%2FB%26C"]


@pytest.mark.parametrize("status", [400, 404])
async def test_an_unknown_symbol_has_no_price(status: int) -> None:
    assert await ask(lambda _: httpx.Response(status)) is None


@pytest.mark.parametrize("status", [302, 401, 403, 418, 429, 500, 503])
async def test_a_limit_a_ban_or_a_failure_says_nothing_about_the_symbol(status: int) -> None:
    with pytest.raises(VenueUnavailable):
        await ask(lambda _: httpx.Response(status))


@pytest.mark.parametrize(
    "body",
    ["", "<html>", "[]", "{}", '{"price": null}', '{"price": "-1"}', '{"price": "NaN"}', '{"price": "x"}'],
)
async def test_a_strange_answer_is_no_answer(body: str) -> None:
    with pytest.raises(VenueUnavailable):
        await ask(lambda _: httpx.Response(200, text=body))


async def test_a_broken_connection_is_no_answer() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    with pytest.raises(VenueUnavailable):
        await ask(handler)
