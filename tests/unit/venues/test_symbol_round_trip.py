"""From an alert's symbol to ours, to the venue's, and back to ours."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.errors import UnknownSymbol
from sparky.domain.symbols import canonical
from sparky.venues.aster import symbols as aster
from sparky.venues.oanda import symbols as oanda
from sparky.venues.tastytrade import symbols as tastytrade
from sparky.venues.tradier import symbols as tradier
from tests.symbol_cases import TABLE


def _through_aster(symbol: str) -> str | None:
    return aster.from_venue(aster.to_venue(symbol))


def _through_oanda(symbol: str) -> str | None:
    return oanda.from_venue(oanda.to_venue(symbol))


def _through_tradier(symbol: str) -> str | None:
    return tradier.from_venue(tradier.to_venue(symbol))


def _through_tastytrade(symbol: str) -> str | None:
    theirs = tastytrade.to_venue(symbol)
    return None if theirs is None else tastytrade.to_ours(theirs.symbol, theirs.kind)


THROUGH: dict[str, Callable[[str], str | None]] = {
    "aster": _through_aster,
    "oanda": _through_oanda,
    "tradier": _through_tradier,
    "tastytrade": _through_tastytrade,
}
SHAPES = st.one_of(
    st.sampled_from([sent for _, sent, _ in TABLE]),
    st.from_regex(r"[A-Z]{1,6}(\.[A-Z])?", fullmatch=True),
    st.from_regex(r"[A-Z]{3,4}[A-Z0-9]{0,5}[/_-]?(USD|EUR|USDT)(\.P)?", fullmatch=True),
    st.from_regex(r"/?[A-Z0-9]{1,3}[FGHJKMNQUVXZ](20)?[23][0-9]", fullmatch=True),
    st.from_regex(r"[A-Z]{1,6} {0,2}2[6-9](0[1-9]|1[0-2])([01][1-8])[CP][0-9]{8}", fullmatch=True),
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(THROUGH)), SHAPES)
def test_our_symbol_comes_back_as_it_went_or_is_refused_as_unknown(exchange: str, sent: str) -> None:
    ours = canonical(exchange, sent)
    if ours is None:
        return
    try:
        back = THROUGH[exchange](ours)
    except UnknownSymbol:
        back = None
    assert back in {ours, None}


@pytest.mark.parametrize("exchange", THROUGH)
def test_no_symbol_of_the_table_is_unknown_to_its_venues_spelling(exchange: str) -> None:
    known = {ours for table, _, ours in TABLE if table == exchange and ours is not None}
    assert {ours: THROUGH[exchange](ours) for ours in known} == {ours: ours for ours in known}
