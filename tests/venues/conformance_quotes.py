"""Cases about prices: what orders are sized by is of now, of the right side, and never made up."""

from decimal import Decimal

import pytest

from sparky.domain.errors import Refusal, UnknownSymbol
from sparky.domain.orders import Side
from tests.venues.harness import Harness, says_what_to_do
from tests.venues.subjects import Subject, needs


class QuoteCases:
    """What an instrument costs now."""

    @needs(Subject.QUOTES)
    async def test_a_quote_is_of_the_symbol_and_a_buyer_pays_more_than_a_seller_gets(
        self, venue: Harness
    ) -> None:
        quote = await venue.adapter.quote(venue.access, venue.symbol)
        assert quote.symbol == venue.symbol
        sold, bought = quote.to_trade(Side.SELL), quote.to_trade(Side.BUY)
        assert sold < venue.price < bought
        assert bought - sold <= venue.price / 100
        assert quote.account_rate == 1

    @needs(Subject.QUOTES)
    async def test_a_quote_follows_the_market_at_once(self, venue: Harness) -> None:
        before = await venue.adapter.quote(venue.access, venue.symbol)
        await venue.set_price(venue.at(5))
        after = await venue.adapter.quote(venue.access, venue.symbol)
        assert after.to_trade(Side.BUY) > before.to_trade(Side.BUY)

    @needs(Subject.QUOTES, Subject.LISTED_SYMBOLS)
    async def test_a_quote_of_an_unknown_symbol_is_refused_with_the_nearest(self, venue: Harness) -> None:
        with pytest.raises(UnknownSymbol) as caught:
            await venue.adapter.quote(venue.access, venue.unknown_symbol)
        says_what_to_do(caught.value.reason)
        assert venue.nearest in caught.value.reason

    @needs(Subject.QUOTES)
    async def test_without_bids_and_asks_there_is_no_price_and_what_to_do_is_said(
        self, venue: Harness
    ) -> None:
        venue.hide_prices()
        with pytest.raises(Refusal) as caught:
            await venue.adapter.quote(venue.access, venue.symbol)
        assert caught.value.reason_code == "no_price"
        says_what_to_do(caught.value.reason)
        assert venue.symbol in caught.value.reason

    @needs(Subject.QUOTES, Subject.MARKET_HOURS)
    async def test_a_closed_market_still_has_the_price_that_it_closed_with(self, venue: Harness) -> None:
        venue.close_market()
        quote = await venue.adapter.quote(venue.access, venue.symbol)
        assert abs(quote.to_trade(Side.BUY) - venue.price) <= venue.price / 100

    @needs(Subject.QUOTES, Subject.OPTIONS)
    async def test_an_option_has_a_quote_of_its_own(self, venue: Harness) -> None:
        day = (await venue.adapter.expirations(venue.access, venue.underlying))[0]
        contract = (await venue.adapter.option_chain(venue.access, venue.underlying, day))[0]
        quote = await venue.adapter.quote(venue.access, contract.symbol)
        assert quote.symbol == contract.symbol
        assert contract.bid is not None
        assert contract.ask is not None
        assert contract.bid <= quote.to_trade(Side.BUY) <= contract.ask + Decimal("0.01")

    @needs(Subject.QUOTES, Subject.FUTURES)
    async def test_a_futures_contract_has_a_quote(self, venue: Harness) -> None:
        quote = await venue.adapter.quote(venue.access, venue.future)
        assert quote.symbol == venue.future
        assert abs(quote.to_trade(Side.BUY) - venue.future_price) <= venue.future_price / 100

    @needs(Subject.QUOTES, Subject.BUDGET)
    async def test_a_price_for_an_entry_does_not_wait_behind_questions(self, venue: Harness) -> None:
        await venue.adapter.quote(venue.access, venue.symbol)
        venue.pass_time(60)
        venue.exhaust_reads()
        begun = venue.time.monotonic()
        await venue.adapter.quote(venue.access, venue.symbol)
        assert venue.time.monotonic() == begun, "the price has waited"
