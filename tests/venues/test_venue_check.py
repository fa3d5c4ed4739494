"""`sparky venue check` as a person runs it: a process of its own, against each fake."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from sparky.cli.main import main
from sparky.cli.venue.findings import Finding, Notebook, Verdict
from sparky.cli.venue.reading import Subject as Checked
from sparky.cli.venue.round_trip import RoundTrip
from sparky.venues.http import VenueHttp
from sparky.venues.registry import VENUES
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import Harness
from tests.venues.harnesses import HARNESSES
from tests.venues.real_time import ON_PRACTICE, hosts_of, in_real_time

# At the others the limits of requests make a whole round trip last a minute of real time.
TRADED = {"aster", "oanda"}


def arguments(venue: Harness, folder: Path, *more: str) -> list[str]:
    """Write the keys to a file, and return what a person types."""
    keys = folder / "keys.json"
    keys.write_text(json.dumps({name: one.reveal() for name, one in venue.access.credentials.items()}))
    keys.chmod(0o600)
    account = ("--account", venue.access.account_number) if venue.access.account_number else ()
    where = ("--environment", venue.access.environment, "--symbol", venue.symbol)
    return ["venue", "check", venue.name, "--credentials", str(keys), *account, *where, *more]


def trade(venue: Harness) -> tuple[str, ...]:
    return ("--trade", "--price", f"{venue.price:f}")


def assert_all_confirmed(output: str, *whats: str) -> None:
    assert re.search(r"^(\d+) of \1 confirmed\.$", output, re.MULTILINE), output
    for what in ("keys are accepted", "balance", "an order never sent", "clocks agree", *whats):
        assert f"\n{what}" in output


async def test_the_command_is_a_process_that_tells_no_key(tmp_path: Path) -> None:
    async with in_real_time(ON_PRACTICE["oanda"]) as venue:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sparky.cli.main", *arguments(venue, tmp_path, *trade(venue))),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "SPARKY_VENUE_HOSTS": json.dumps(hosts_of(venue)), "COLUMNS": "150"},
        )
        output = (await process.communicate())[0].decode()
        print(f"\n{output}")
        assert_all_confirmed(output, "market entry", "tidied up")
        assert process.returncode == 0
        assert not any(one.reveal() in output for one in venue.access.credentials.values())


@pytest.mark.parametrize("venue_name", HARNESSES)
async def test_the_command_confirms_everything_and_leaves_nothing(
    venue_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with in_real_time(ON_PRACTICE[venue_name]) as venue:
        monkeypatch.setenv("SPARKY_VENUE_HOSTS", json.dumps(hosts_of(venue)))
        more = trade(venue) if venue_name in TRADED else ()
        # The command has an event loop of its own; the fake lives on this one.
        code = await asyncio.to_thread(main, arguments(venue, tmp_path, *more))
        output = capsys.readouterr().out
        assert_all_confirmed(output, *(("market entry", "tidied up") if more else ()))
        assert code == 0
        assert await venue.side() is None
        # Aster's key is the address of the account, which is public.
        told = [name for name, one in venue.access.credentials.items() if one.reveal() in output]
        assert told == (["api_key"] if venue_name == "aster" else [])

        venue.access = venue.wrong_access
        assert await asyncio.to_thread(main, arguments(venue, tmp_path)) == 1
        output = capsys.readouterr().out
        assert "0 of 1 confirmed.\nNot as expected: keys are accepted." in output


async def round_trip(venue: Harness) -> dict[str, Finding]:
    """Make the round trip in this process, and return its findings by name."""
    assert venue.server is not None
    notebook = Notebook(venue.time, lambda _: None, timeout_seconds=10)
    kind = VENUES[venue.name]
    hosts = {venue.access.environment: venue.server.url}
    async with VenueHttp(kind.label, hosts) as http:
        subject = Checked(
            adapter=venue.adapter,
            access=venue.access,
            http=http,
            symbol=venue.symbol,
            seams=venue.time.seams(),
        )
        await RoundTrip(subject, notebook, venue.price).run()
    return {finding.what: finding for finding in notebook.findings}


@pytest.mark.parametrize("venue_name", HARNESSES)
async def test_a_round_trip_confirms_everything_and_leaves_nothing(venue_name: str) -> None:
    async with HARNESSES[venue_name].open() as venue:
        found = await round_trip(venue)
        assert {one.seen.verdict for one in found.values()} == {Verdict.CONFIRMED}, found
        for what in ("cancel", "market entry", "position", "exits for the position", "fills of both orders"):
            assert what in found
        assert await venue.side() is None
        assert not await venue.adapter.open_orders(venue.access)


@pytest.mark.parametrize("venue_name", HARNESSES)
async def test_a_round_trip_waits_for_the_limits_of_requests(venue_name: str) -> None:
    async with HARNESSES[venue_name].open() as venue:
        venue.exhaust_reads()
        found = await round_trip(venue)
        assert {one.seen.verdict for one in found.values()} == {Verdict.CONFIRMED}, found
        assert "fills of both orders" in found


@pytest.mark.parametrize("venue_name", HARNESSES)
async def test_what_goes_wrong_on_the_way_is_told_and_tidied_up(venue_name: str) -> None:
    async with HARNESSES[venue_name].open() as venue:
        venue.fault(Fault.ERROR_503, RequestKind.CANCEL)
        found = await round_trip(venue)
        assert found["cancel"].seen.verdict is Verdict.NOT
        assert found["tidied up"].seen.verdict is Verdict.CONFIRMED, found["tidied up"]
        assert await venue.side() is None
        assert not await venue.adapter.open_orders(venue.access)


@pytest.mark.parametrize("venue_name", HARNESSES)
async def test_a_round_trip_that_is_interrupted_tidies_up(venue_name: str) -> None:
    async with HARNESSES[venue_name].open() as venue:
        assert venue.server is not None
        task = asyncio.create_task(round_trip(venue))
        # The second order is the market entry.
        while len(venue.server.asked(RequestKind.ORDER)) < 2:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await venue.market_time()
        assert await venue.side() is None
        assert not await venue.adapter.open_orders(venue.access)


@pytest.mark.parametrize("venue_name", HARNESSES)
async def test_where_something_is_open_no_round_trip_begins(venue_name: str) -> None:
    async with HARNESSES[venue_name].open() as venue:
        await venue.enter()
        before = await venue.side()
        found = await round_trip(venue)
        assert [(what, one.seen.verdict) for what, one in found.items()] == [
            ("nothing is open before", Verdict.CANNOT)
        ]
        assert await venue.side() == before
