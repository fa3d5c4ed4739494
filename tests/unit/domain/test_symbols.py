import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparky.domain.options import OptionSymbol, parse_option
from sparky.domain.symbols import canonical
from tests.symbol_cases import ALPHABET, CASES, EXCHANGES, TABLE


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_spelling_becomes_ours(exchange: str) -> None:
    cases = CASES[exchange]
    assert {sent: canonical(exchange, sent) for sent in cases} == cases


SPELLINGS = (
    st.sampled_from([sent for _, sent, _ in TABLE]) | st.text(ALPHABET, max_size=24) | st.text(max_size=24)
)


@settings(max_examples=200)
@given(st.sampled_from(EXCHANGES), SPELLINGS)
def test_what_is_canonical_stays_as_it_is(exchange: str, sent: str) -> None:
    ours = canonical(exchange, sent)
    if ours is not None:
        assert canonical(exchange, ours) == ours
        assert canonical(exchange, f" XYZ_1:{ours.lower()}\n") == ours
        assert ours.isascii()
        assert len(ours) <= 40


@settings(max_examples=100)
@given(
    st.sampled_from(["tradier", "tastytrade"]),
    st.from_regex(r"[A-Z]{1,6}", fullmatch=True),
    st.dates(),
    st.sampled_from("CP"),
    st.integers(1, 99_999_999),
)
def test_an_option_is_one_symbol_however_it_is_written(
    exchange: str, root: str, day: object, right: str, strike: int
) -> None:
    compact = f"{root}{day:%y%m%d}{right}{strike:08d}"
    parsed = parse_option(compact)
    assert isinstance(parsed, OptionSymbol)
    spellings = [compact, parsed.padded, f"OPRA:{root}{day:%y%m%d}{right}{parsed.strike}"]
    assert [canonical(exchange, text) for text in spellings] == [compact] * 3
