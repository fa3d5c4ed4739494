"""The conformance suite as tables: which case runs for which venue, and how writes may end under each fault.

`make conformance` writes docs/venues/conformance.md; a test compares. What is skipped, and why, comes from
the harnesses, so nothing has to run for it.
"""

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from sparky.domain.answers import OutcomeKind
from tests.venues.conformance import VenueConformance
from tests.venues.conformance_faults import ENDS, faults_need
from tests.venues.fakes.server import Fault, RequestKind
from tests.venues.harness import Harness
from tests.venues.subjects import Subject, needs_of

PAGE: Final = Path(__file__).parents[2] / "docs" / "venues" / "conformance.md"
_INTRODUCTION: Final = """# What every venue's adapter is tested for

Written by `make conformance` from the suite in `tests/venues/`; a test fails when it is out of date. Each
case is run against a fake of the venue over real sockets, and against the paper venue's book. "yes" means
that the case runs, and the tests of the project fail unless it passes. A number leads to the fact why the
venue cannot.
"""
_FAULTS: Final = """## How a write may end under each fault

The fault happens to the request that places the order or the exits, or cancels. Whatever the outcome, the
suite then does what the engine does (look up, and send again only what is absent) and counts the executions
in the venue's own books: there must be one. A cancel may also end as accepted where a look-up has proved it.
"""
_WORDS: Final[Mapping[Fault, str]] = {
    Fault.DOWN: "the venue cannot be connected to",
    Fault.DROP_REQUEST: "the request is lost and the connection reset",
    Fault.DROP_REPLY: "executed; the connection is reset",
    Fault.DUPLICATE: "executed, and repeated on the way",
    Fault.DELAY: "executed; the answer is late",
    Fault.LATE: "the connection is reset, executed afterwards",
    Fault.HANG: "executed; no answer comes",
    Fault.TOO_MANY: "answered 429",
    Fault.BANNED: "answered 418",
    Fault.ERROR_500: "answered 500",
    Fault.ERROR_503: "answered 503, not executed",
    Fault.ERROR_503_EXECUTED: "answered 503, executed",
    Fault.HTML: "executed; a page comes back",
    Fault.GARBAGE: "executed; JSON of another language comes back",
    Fault.CUT: "executed; half of the answer comes back",
    Fault.EMPTY: "executed; an answer without a body comes back",
    Fault.NULL: "executed; the JSON `null` comes back",
    Fault.LIST: "executed; an empty JSON list comes back",
    Fault.BARE: "executed; an empty JSON object comes back",
    Fault.REDIRECT: "redirected, not executed",
    Fault.LOST_ROUTE: "a gateway's page with 404, not executed",
    Fault.FIREWALL: "a firewall's page with 403, not executed",
}
_ORDER: Final = ("aster", "oanda", "tradier", "tastytrade", "paper")


def cases() -> Mapping[str, tuple[Subject, ...]]:
    """Return every case as a sentence, with what it needs, in the order of the suite."""
    found: dict[str, tuple[Subject, ...]] = {}
    for part in (*VenueConformance.__bases__, VenueConformance):
        for name, case in vars(part).items():
            if name.startswith("test_") and inspect.isfunction(case):
                sentence = name.removeprefix("test_").replace("_", " ")
                found[sentence[0].upper() + sentence[1:]] = needs_of(case)
    return found


def venues() -> Sequence[type[Harness]]:
    """Return the harnesses of all test modules beside this one, in the order of the documents."""
    for module in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"tests.venues.{module.stem}")
    harnesses = [suite.harness for suite in VenueConformance.__subclasses__()]
    return sorted(harnesses, key=lambda one: _ORDER.index(one.name))


def page() -> str:
    """Return the whole document."""
    harnesses = venues()
    facts = _Facts()
    rows = [
        (sentence, *(_cell(facts, one, needs) for one in harnesses)) for sentence, needs in cases().items()
    ]
    faults = [
        (_WORDS[fault], _ends(fault), *(_cell(facts, one, faults_need(fault)) for one in harnesses))
        for fault in Fault
    ]
    names = [one.name for one in harnesses]
    parts = [
        _INTRODUCTION,
        _table(("case", *names), rows),
        _FAULTS,
        _table(("fault", "outcome", *names), faults),
        "## Why not\n",
        "\n".join(facts.lines()) + "\n",
    ]
    return "\n".join(parts)


class _Facts:
    """Numbers the facts in the order in which they are used."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, venue: str, fact: str) -> int:
        return self._numbers.setdefault((venue, fact), len(self._numbers) + 1)

    def lines(self) -> Iterator[str]:
        for (venue, fact), number in self._numbers.items():
            yield f"{number}. {venue}: {fact}"


def _cell(facts: _Facts, harness: type[Harness], needs: Sequence[Subject]) -> str:
    lacking = next((one for one in needs if one in harness.cannot), None)
    return "yes" if lacking is None else str(facts.number(harness.name, harness.cannot[lacking]))


def _ends(fault: Fault) -> str:
    return " or ".join(kind.replace("_", " ") for kind in OutcomeKind if kind in ENDS[fault])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def seen_table(seen: Mapping[tuple[str, RequestKind, Fault], str]) -> str:
    """Return how writes ended in this run, by fault, write and venue, as text in columns."""
    names = sorted({venue for venue, _, _ in seen}, key=_ORDER.index)
    lines = [f"{'fault':<20}{'write':<8}" + "".join(f"{name:<12}" for name in names)]
    for fault in Fault:
        for write in (RequestKind.ORDER, RequestKind.CANCEL, RequestKind.EXITS):
            ends = [seen.get((name, write, fault), "-") for name in names]
            if {*ends} != {"-"}:
                lines.append(f"{fault:<20}{write:<8}" + "".join(f"{end:<12}" for end in ends))
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE}")
