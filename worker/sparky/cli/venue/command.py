"""`sparky venue check`: try a venue with one's own keys, and print what was confirmed."""

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from sparky.cli.venue.credentials import read_credentials, write_back
from sparky.cli.venue.findings import Finding, Notebook
from sparky.cli.venue.practice import require_practice
from sparky.cli.venue.reading import Subject, read_everything
from sparky.cli.venue.round_trip import RoundTrip
from sparky.cli.venue.table import header, line, summary
from sparky.domain.errors import ConfigurationError
from sparky.domain.identifiers import AccountId
from sparky.domain.symbols import canonical
from sparky.keys.secret import Secret
from sparky.runtime.seams import Seams
from sparky.runtime.venue_hosts import VenueHosts, read_venue_hosts
from sparky.venues.base import AccountAccess
from sparky.venues.registry import VENUES, open_venue

_SYMBOLS: Final[Mapping[str, str]] = {
    "aster": "BTCUSDT",
    "oanda": "EUR_USD",
    "tradier": "AAPL",
    "tastytrade": "AAPL",
}
_TIMEOUT_SECONDS: Final = 30.0
_MOST_COLUMNS: Final = 140
_NOT_ALL_CONFIRMED: Final = 1
_HOSTS_VARIABLE: Final = "SPARKY_VENUE_HOSTS"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands of this module."""
    group = commands.add_parser("venue", help="try a venue by hand").add_subparsers(
        required=True, metavar="COMMAND"
    )
    check = group.add_parser(
        "check",
        help="try a venue with your own keys and print what was confirmed",
        description="Reads everything that the worker reads, and with --trade makes a small round trip on a "
        "practice host. Asks for the keys, which are nowhere written down. Exits with 0 only when all is "
        "confirmed, with 1 otherwise, and with 2 when the check could not be made.",
    )
    check.add_argument("venue", choices=sorted(VENUES))
    check.add_argument("--environment", choices=("production", "sandbox"), default="sandbox")
    check.add_argument(
        "--credentials", type=Path, metavar="FILE", help="JSON object of the keys; - for input"
    )
    check.add_argument("--account", metavar="NUMBER", help="the venue's number of the account, of several")
    check.add_argument("--symbol", help="what to ask for and to trade (default: a usual one)")
    check.add_argument("--trade", action="store_true", help="make a small round trip; never on production")
    check.add_argument(
        "--price", type=_price, metavar="PRICE", help="about what the symbol costs now; needed by --trade"
    )
    check.set_defaults(run=_check)


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(0)
    if not price.is_finite() or price <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a price")
    return price


def _check(options: argparse.Namespace) -> int:
    kind = VENUES[options.venue]
    hosts = _hosts(os.environ)
    used = {**kind.hosts, **hosts.get(options.venue, {})}
    if options.trade:
        require_practice(options.environment, kind.hosts, used)
        if options.price is None:
            raise ConfigurationError("--trade needs --price: about what the symbol costs now")
    options.symbol = symbol_of(options.venue, options.symbol or _SYMBOLS[options.venue])
    try:
        credentials = read_credentials(options.venue, options.credentials)
        print(f"{kind.label}, {options.environment}: {used[options.environment]}\n")  # noqa: T201 - the command's answer
        notebook = asyncio.run(_run(options, hosts, credentials))
    except (KeyboardInterrupt, EOFError):
        # By now a round trip has tidied up behind itself.
        raise ConfigurationError("interrupted") from None
    print(f"\n{summary(notebook.findings)}")  # noqa: T201 - the command's answer
    return 0 if notebook.all_confirmed() else _NOT_ALL_CONFIRMED


def symbol_of(venue: str, text: str) -> str:
    """Return our symbol of what was typed, by the rule for alerts.

    Raises:
        ConfigurationError: it can be no symbol of that venue.
    """
    symbol = canonical(venue, text)
    if symbol is None:
        raise ConfigurationError(f"{text!r} can be no symbol of {VENUES[venue].label}")
    return symbol


def _hosts(environ: Mapping[str, str]) -> VenueHosts:
    try:
        return read_venue_hosts(environ.get(_HOSTS_VARIABLE) or "{}")
    except ValueError as error:
        raise ConfigurationError(f"{_HOSTS_VARIABLE} {error}") from None


async def _run(options: argparse.Namespace, hosts: VenueHosts, credentials: Mapping[str, Secret]) -> Notebook:
    seams = Seams()
    printer = Printer()
    notebook = Notebook(seams.clock, printer.tell, timeout_seconds=_TIMEOUT_SECONDS)

    async def keep(rotated: Mapping[str, Secret]) -> None:
        file = write_back(options.credentials, options.venue, rotated)
        sys.stderr.write(f"The venue has changed the keys; the new ones are in {file}.\n")

    access = AccountAccess(
        account_id=AccountId("venue-check"),
        exchange=options.venue,
        environment=options.environment,
        credentials=credentials,
        account_number=options.account,
        keep_credentials=keep,
    )
    async with open_venue(options.venue, seams, hosts) as (adapter, http):
        subject = Subject(adapter=adapter, access=access, http=http, symbol=options.symbol, seams=seams)
        if await read_everything(subject, notebook) and options.trade:
            await RoundTrip(subject, notebook, options.price).run()
    return notebook


class Printer:
    """Prints the table while it grows."""

    def __init__(self) -> None:
        self._width = min(shutil.get_terminal_size().columns, _MOST_COLUMNS)
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._begun = False

    def tell(self, finding: Finding) -> None:
        """Print one line, after the header when it is the first."""
        if not self._begun:
            print(header(self._width, colour=self._colour))  # noqa: T201 - the command's answer
            self._begun = True
        print(line(finding, self._width, colour=self._colour), flush=True)  # noqa: T201 - the command's answer
