"""Keys, money, symbols and fees at Tradier, against the fake over a real socket."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from sparky.domain.errors import CredentialsInvalid, UnknownSymbol
from sparky.domain.orders import Side
from sparky.keys.secret import Secret
from sparky.venues.tradier.credentials import read_login
from tests.venues.fakes.server import Fault
from tests.venues.fakes.tradier.harness import LIVE_TOKEN, NUMBER, TOKEN, TradierHarness, access_of

DAY = 86_400.0
LIVE_NUMBER = "6YA10004"


@pytest.fixture
async def venue() -> AsyncIterator[TradierHarness]:
    async with TradierHarness.open() as venue:
        yield venue


async def test_a_good_token_shows_what_the_account_may_do(venue: TradierHarness) -> None:
    check = await venue.adapter.validate(venue.access)
    assert check.account_number == NUMBER
    assert check.permissions == ("type margin", "option_level 4", "status active")
    assert check.notes == ()
    assert (check.balance.currency, check.balance.equity, check.balance.cash) == (
        "USD",
        Decimal(100_000),
        Decimal(100_000),
    )


async def test_limits_of_the_account_are_told_in_sentences(venue: TradierHarness) -> None:
    venue.server.accounts[NUMBER].kind = "cash"
    venue.server.accounts[NUMBER].option_level = 0
    check = await venue.adapter.validate(venue.access)
    assert [note.split(":")[0] for note in check.notes] == [
        "This is a cash account",
        "Options are not enabled for this account",
    ]
    assert check.balance.available == 100_000


async def test_a_test_order_that_is_not_previewed_is_told_and_places_nothing(venue: TradierHarness) -> None:
    posts = lambda request: request.method == "POST"  # noqa: E731
    venue.server.arm(Fault.ERROR_500, matching=posts)
    (note,) = (await venue.adapter.validate(venue.access)).notes
    assert "not proved" in note
    assert venue.server.taken == []


async def test_an_account_that_is_not_active_is_refused(venue: TradierHarness) -> None:
    venue.server.accounts[NUMBER].status = "closed"
    for access in (venue.access, replace(venue.access, account_number=NUMBER)):
        with pytest.raises(CredentialsInvalid, match="activ"):
            await venue.adapter.validate(access)


async def test_a_second_account_that_is_closed_needs_no_choice(venue: TradierHarness) -> None:
    second = venue.add_account()
    venue.server.accounts[second].status = "closed"
    assert (await venue.adapter.validate(venue.access)).account_number == NUMBER


@pytest.mark.parametrize(
    ("access", "named"),
    [(access_of(LIVE_TOKEN), "production"), (access_of(TOKEN, environment="production"), "sandbox")],
)
async def test_a_token_of_the_other_host_is_told_apart(
    venue: TradierHarness, access: Any, named: str
) -> None:
    with pytest.raises(CredentialsInvalid, match=f"token of Tradier's {named}"):
        await venue.adapter.validate(access)


async def test_a_host_that_is_silent_about_a_token_changes_nothing(venue: TradierHarness) -> None:
    await venue.production.stop()
    with pytest.raises(CredentialsInvalid, match="does not accept"):
        await venue.adapter.validate(venue.wrong_access)
    await venue.production.start()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"api_key": "short"}, "characters"),
        ({"api_key": "with a blank inside it"}, "characters"),
        ({"api_key": "newline\ninjected: header"}, "characters"),
        ({"token": TOKEN}, "no field"),
        ({"api_key": TOKEN, "account_id": "../../other"}, "letters and digits"),
        ({"api_secret": "alone"}, "needs api_key"),
    ],
)
def test_fields_that_cannot_be_are_named(fields: dict[str, str], named: str) -> None:
    access = replace(access_of(TOKEN), credentials={name: Secret(value) for name, value in fields.items()})
    with pytest.raises(CredentialsInvalid, match=named) as caught:
        read_login(access)
    assert caught.value.reason.endswith(".")
    assert not [value for value in fields.values() if value in caught.value.reason]


def test_both_names_of_the_token_are_taken_and_nothing_shows_it() -> None:
    for name in ("api_key", "access_token"):
        access = replace(
            access_of(TOKEN),
            credentials={
                name: Secret(f" {TOKEN} "),
                "api_secret": Secret("x"),
                "account_id": Secret("va1234"),
            },
        )
        login = read_login(access)
        assert login.token.reveal() == TOKEN
        assert login.account_number == "VA1234"
        assert TOKEN not in repr(login)
        assert login.fingerprint not in repr(login)


async def test_the_step_of_a_price_depends_on_the_price_and_the_kind(venue: TradierHarness) -> None:
    share = await venue.adapter.rules(venue.access, "AAPL")
    assert (share.tick_at(Decimal("0.99")), share.tick_at(Decimal(1))) == (Decimal("0.0001"), Decimal("0.01"))
    option = await venue.adapter.rules(venue.access, "AAPL260417C00200000")
    assert (option.tick_at(Decimal("2.95")), option.tick_at(Decimal(3))) == (Decimal("0.05"), Decimal("0.10"))
    assert option.multiplier == 100


@pytest.mark.parametrize("symbol", ["AAPX", "ZZZZ", "AAPL260417C99999000"])
async def test_an_unknown_symbol_says_what_to_do(venue: TradierHarness, symbol: str) -> None:
    with pytest.raises(UnknownSymbol, match=symbol) as caught:
        await venue.adapter.rules(venue.access, symbol)
    assert caught.value.reason.endswith(".")


async def test_a_short_position_and_an_option_have_their_price_per_unit(venue: TradierHarness) -> None:
    await venue.enter(1, side=Side.SELL)
    await venue.enter(2, symbol="AAPL260417P00200000", quantity=Decimal(3))
    shown = {one.symbol: one for one in await venue.adapter.positions(venue.access)}
    assert (shown["AAPL"].side.value, shown["AAPL"].entry_price) == ("short", Decimal(200))
    assert shown["AAPL260417P00200000"].entry_price == 7


async def _traded(venue: TradierHarness, orders: int) -> Any:
    access = access_of(LIVE_TOKEN, "4", "production")
    begun = venue.time.now() - timedelta(minutes=1)
    for number in range(1, orders + 1):
        await venue.submit(venue.order(number), access=access)
    day = venue.time.now().date().isoformat()
    for quantity in (4, 6) if orders == 1 else (10, 10):
        trade = {"commission": Decimal("0.35"), "price": 200, "quantity": quantity, "symbol": "AAPL"}
        event = {"amount": -2000, "date": f"{day}T00:00:00Z", "type": "trade", "trade": trade}
        venue.production.history.append(event)
    today = await venue.adapter.fills(access, "AAPL", begun)
    assert {one.fill.fee for one in today} == {None}
    venue.pass_time(DAY)
    return await venue.adapter.fills(access, "AAPL", begun)


async def test_a_commission_is_told_when_the_history_has_it(venue: TradierHarness) -> None:
    (fill,) = await _traded(venue, 1)
    assert fill.fill.fee == Decimal("0.70")


async def test_a_commission_that_may_be_anothers_stays_untold(venue: TradierHarness) -> None:
    fills = await _traded(venue, 2)
    assert [one.fill.fee for one in fills] == [None, None]


async def test_the_sandbox_is_not_asked_for_a_history(venue: TradierHarness) -> None:
    begun = venue.time.now() - timedelta(minutes=1)
    await venue.enter(1)
    venue.pass_time(DAY)
    (fill,) = await venue.adapter.fills(venue.access, "AAPL", begun)
    assert fill.fill.fee is None
    assert not [request for request in venue.server.log if "history" in request.path]
