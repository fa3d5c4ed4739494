"""What a trader reads when something stands in the way, at each venue. Run with -s to read it all."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import pytest

from sparky.domain.answers import Outcome, Refused
from sparky.domain.errors import Refusal
from sparky.domain.reasons import Reason
from sparky.venues.base import AccountAccess
from tests.venues.harness import Harness, allow
from tests.venues.harnesses import HARNESSES
from tests.venues.subjects import Subject

_WHAT_TO_DO = re.compile(
    r"\b(add|ask|buy|change|check|choose|close|connect|copy|correct|deposit|enter|give|leave|lower|make|move|name|needs|open|raise|reduce|round|save|sell|"
    r"send|set|spell|trade|try|use|wait|write)\b|nothing to do",
    re.IGNORECASE,
)
_LONGEST = 700
_FEWEST_WORDS = 8

Sentence = tuple[str, str]


async def _of(outcome: Outcome) -> Sentence:
    assert isinstance(outcome, Refused), outcome
    return outcome.reason_code, outcome.reason


async def _of_keys(venue: Harness, access: AccountAccess) -> Sentence:
    with pytest.raises(Refusal) as caught:
        await venue.adapter.validate(access)
    return caught.value.reason_code, caught.value.reason


async def _wrong_keys(venue: Harness) -> Sentence:
    return await _of_keys(venue, venue.wrong_access)


async def _order_with_wrong_keys(venue: Harness) -> Sentence:
    return await _of(await venue.adapter.submit(venue.wrong_access, venue.order(), allow))


async def _no_keys(venue: Harness) -> Sentence:
    return await _of_keys(venue, replace(venue.access, credentials={}))


async def _keys_of_the_other_environment(venue: Harness) -> Sentence:
    return await _of_keys(venue, venue.misplaced_access)


async def _revoked(venue: Harness) -> Sentence:
    await venue.enter()
    venue.revoke_key()
    return await _of(await venue.submit(venue.order(2)))


async def _revoked_keys(venue: Harness) -> Sentence:
    await venue.adapter.validate(venue.access)
    venue.revoke_key()
    venue.expire_token() if Subject.TOKEN_EXPIRY not in venue.cannot else None
    return await _of_keys(venue, venue.access)


async def _unknown_symbol(venue: Harness) -> Sentence:
    with pytest.raises(Refusal) as caught:
        await venue.adapter.rules(venue.access, venue.unknown_symbol)
    return caught.value.reason_code, caught.value.reason


async def _order_for_an_unknown_symbol(venue: Harness) -> Sentence:
    return await _of(await venue.submit(venue.order(symbol=venue.unknown_symbol)))


async def _too_small(venue: Harness) -> Sentence:
    return await _of(await venue.submit(venue.order(quantity=venue.too_small)))


async def _too_large(venue: Harness) -> Sentence:
    return await _of(await venue.submit(venue.order(quantity=venue.too_large)))


async def _no_funds(venue: Harness) -> Sentence:
    return await _of(await venue.submit(venue.order(quantity=venue.too_much)))


async def _market_closed(venue: Harness) -> Sentence:
    venue.close_market()
    return await _of(await venue.submit(venue.order()))


async def _nothing_to_close(venue: Harness) -> Sentence:
    return await _of(await venue.submit(venue.order(reduce_only=True)))


Case = tuple[Callable[[Harness], Awaitable[Sentence]], set[Reason], Subject | None]

_KEYS = {Reason.CREDENTIALS_INVALID}
CASES: Mapping[str, Case] = {
    "wrong keys": (_wrong_keys, _KEYS, None),
    "order with wrong keys": (_order_with_wrong_keys, _KEYS, None),
    "no keys": (_no_keys, _KEYS, None),
    "keys of the other environment": (_keys_of_the_other_environment, _KEYS, Subject.OTHER_ENVIRONMENT),
    "order after the keys were revoked": (_revoked, _KEYS, Subject.REVOCATION),
    "revoked keys": (_revoked_keys, _KEYS, Subject.REVOCATION),
    "unknown symbol": (_unknown_symbol, {Reason.UNKNOWN_SYMBOL}, Subject.LISTED_SYMBOLS),
    "order for an unknown symbol": (
        _order_for_an_unknown_symbol,
        {Reason.UNKNOWN_SYMBOL},
        Subject.LISTED_SYMBOLS,
    ),
    "too small": (_too_small, {Reason.BELOW_MINIMUM}, Subject.SMALLEST),
    "too large": (_too_large, {Reason.ABOVE_MAXIMUM}, Subject.LARGEST),
    "insufficient funds": (_no_funds, {Reason.INSUFFICIENT_FUNDS}, None),
    "closed market": (_market_closed, {Reason.MARKET_CLOSED}, Subject.MARKET_HOURS),
    "nothing to close": (_nothing_to_close, {Reason.NO_POSITION}, None),
}


@pytest.mark.parametrize("venue_name", HARNESSES)
@pytest.mark.parametrize("case", CASES)
async def test_the_trader_is_told_what_to_do(venue_name: str, case: str) -> None:
    act, codes, subject = CASES[case]
    async with HARNESSES[venue_name].open() as venue:
        if subject is not None:
            venue.require(subject)
        code, sentence = await act(venue)
    print(f"\n{venue_name}, {case} [{code}]:\n    {sentence}")
    assert code in codes, (code, sentence)
    assert sentence.endswith("."), sentence
    assert ".." not in sentence, sentence
    assert "  " not in sentence, sentence
    assert len(sentence.split()) >= _FEWEST_WORDS, sentence
    assert len(sentence) <= _LONGEST, sentence
    assert _WHAT_TO_DO.search(sentence), sentence
