"""The parts of `sparky venue check` that need no venue."""

import asyncio
import io
import json
import stat
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from sparky.cli.venue.command import symbol_of
from sparky.cli.venue.credentials import STANDARD_INPUT, read_credentials, write_back
from sparky.cli.venue.findings import Finding, Notebook, cannot, confirmed, denied
from sparky.cli.venue.orders import Ids, size_for
from sparky.cli.venue.practice import require_practice
from sparky.cli.venue.table import line, summary
from sparky.domain.errors import ConfigurationError, CredentialsInvalid, Refusal, VenueUnavailable
from sparky.domain.reasons import Reason
from sparky.domain.rules import InstrumentRules
from sparky.keys.secret import Secret
from tests.unit.runtime.virtual_seams import SeededRandom

OWN = {"production": "https://api.venue.example", "sandbox": "https://sandbox.venue.example"}


class StillClock:
    def now(self) -> None:
        raise AssertionError

    def monotonic(self) -> float:
        return 0.0


def notebook() -> tuple[Notebook, list[Finding]]:
    told: list[Finding] = []
    return Notebook(StillClock(), told.append, timeout_seconds=0.01), told  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environment", "used", "words"),
    [
        ("production", OWN, "never to production"),
        ("sandbox", {**OWN, "sandbox": OWN["production"]}, "unset it"),
        ("sandbox", {**OWN, "sandbox": "https://proxy.example"}, "unset it"),
        ("production", {**OWN, "production": "http://127.0.0.1:1"}, "never to production"),
    ],
)
def test_orders_never_go_where_real_money_may_be(environment: str, used: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        require_practice(environment, OWN, used)


@pytest.mark.parametrize("url", [OWN["sandbox"], "http://127.0.0.1:8000", "http://localhost:8000"])
def test_orders_go_to_the_sandbox_and_to_this_machine(url: str) -> None:
    require_practice("sandbox", OWN, {**OWN, "sandbox": url})


def test_a_symbol_is_read_as_in_an_alert() -> None:
    assert symbol_of("oanda", "OANDA:EURUSD") == "EUR_USD"
    with pytest.raises(ConfigurationError, match="'/ES' can be no symbol of Tastytrade"):
        symbol_of("tastytrade", "/ES")


@pytest.mark.parametrize(
    ("error", "word", "detail"),
    [
        (VenueUnavailable("It did not answer."), "NOT", "It did not answer."),
        (CredentialsInvalid("Make a new token."), "NOT", "Make a new token."),
        (Refusal(Reason.NOT_SUPPORTED, "It has no options."), "cannot", "It has no options."),
    ],
)
async def test_what_a_question_raises_is_a_finding(error: Exception, word: str, detail: str) -> None:
    book, told = notebook()

    async def question() -> str:
        raise error

    assert await book.ask("balance", question(), confirmed) is None
    assert [(one.seen.verdict, one.seen.detail) for one in told] == [(word, detail)]
    assert not book.all_confirmed()


async def test_a_question_that_takes_too_long_is_not_confirmed() -> None:
    book, told = notebook()
    assert await book.ask("balance", asyncio.Event().wait(), lambda _: confirmed("")) is None
    assert told[0].seen.detail == "no answer within 0.01 s"


async def test_all_is_confirmed_only_when_something_is() -> None:
    book, _ = notebook()
    assert not book.all_confirmed()
    book.write("balance", confirmed("100 USD"))
    assert book.all_confirmed()
    book.write("clock", cannot("no date"))
    assert not book.all_confirmed()


def test_a_long_detail_continues_below_its_column() -> None:
    finding = Finding(what="balance", seen=denied("one two three " * 12), milliseconds=12)
    lines = line(finding, 120, colour=False).split("\n")
    assert len(lines) > 1
    column = lines[0].index("one")
    assert all(len(each) <= 120 for each in lines)
    assert all(each[:column].strip() == "" and each[column] != " " for each in lines[1:])
    assert "\033" not in lines[0]
    assert "\033[1;31mNOT" in line(finding, 120, colour=True)


def test_in_a_narrow_terminal_the_detail_stands_below() -> None:
    finding = Finding(what="balance", seen=denied("one two three " * 12), milliseconds=12)
    first, *rest = line(finding, 80, colour=False).split("\n")
    assert first.split() == ["balance", "NOT", "12"]
    assert " ".join(each.strip() for each in rest) == finding.seen.detail.strip()
    assert all(len(each) <= 80 for each in rest)


def test_the_summary_names_what_is_not_confirmed() -> None:
    findings = [
        Finding(what="keys", seen=confirmed("")),
        Finding(what="balance", seen=denied("")),
        Finding(what="clock", seen=cannot("")),
    ]
    text = summary(findings).splitlines()
    assert text == [
        "1 of 3 confirmed.",
        "Not as expected: balance.",
        "Could not be found out: clock.",
    ]


@pytest.mark.parametrize(
    ("rules", "price", "size"),
    [
        ({"min_notional": "5"}, "60000", "0.001"),
        ({"min_notional": "5"}, "2", "3.282"),
        ({"min_quantity": "0.5"}, "2", "0.5"),
        ({"min_quantity": "0.5", "min_market_quantity": "0.7"}, "2", "0.7"),
        ({"min_quantity": "0.5", "market_quantity_step": "0.2"}, "2", "0.6"),
    ],
)
def test_the_round_trip_is_as_small_as_the_venue_allows(rules: dict[str, str], price: str, size: str) -> None:
    made = InstrumentRules(
        symbol="X",
        quantity_step=Decimal("0.001"),
        price_tick=Decimal("0.1"),
        **{name: Decimal(value) for name, value in rules.items()},  # type: ignore[arg-type]
    )
    assert size_for(made, Decimal(price)) == Decimal(size)


def test_ids_of_two_runs_differ() -> None:
    first, second = Ids(SeededRandom(1)), Ids(SeededRandom(2))
    drawn = [first.next(), first.next(), second.next(), second.next()]
    assert len(set(drawn)) == 4


def test_keys_come_from_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('{"token": "hunter22"}')
    file.chmod(0o600)
    assert read_credentials("oanda", file)["token"].reveal() == "hunter22"


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ('{"token": "hunter22"}', 0o644, "can be read by others: run chmod 600"),
        ('{"token": "hunter22"', 0o600, "is not a JSON object whose values are strings"),
        ('{"token": 22}', 0o600, "is not a JSON object whose values are strings"),
        ('["hunter22"]', 0o600, "is not a JSON object whose values are strings"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_without_its_content(
    tmp_path: Path, content: str, mode: int, words: str
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_credentials("oanda", file)
    assert "hunter22" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_a_terminal_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ConfigurationError, match="no terminal"):
        read_credentials("oanda", None)


@pytest.mark.parametrize("given", [None, STANDARD_INPUT, Path("keys.json")])
def test_rotated_keys_are_kept_where_only_their_owner_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Path | None
) -> None:
    monkeypatch.chdir(tmp_path)
    if given == Path("keys.json"):
        given.write_text("{}")
        given.chmod(0o600)
    file = write_back(given, "tastytrade", {"refresh_token": Secret("new")})
    assert file == (Path("keys.json") if given == Path("keys.json") else Path("tastytrade-credentials.json"))
    assert json.loads(file.read_text()) == {"refresh_token": "new"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
