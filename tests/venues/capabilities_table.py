"""What each venue can do, as a table from the adapters' own words. `make conformance` writes it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sparky.domain.capabilities import Capabilities
from sparky.domain.orders import ExitKind, OrderType, TimeInForce
from sparky.runtime.seams import Seams
from sparky.venues.http import VenueHttp
from sparky.venues.paper.capabilities import CAPABILITIES as PAPER
from sparky.venues.registry import VENUES

PAGE: Final = Path(__file__).parents[2] / "docs" / "venues" / "README.md"
_BEGIN: Final = "<!-- capabilities: written by `make conformance` -->\n"
_END: Final = "\n<!-- end of capabilities -->"


def page() -> str:
    """Return the page with the table as it should be."""
    before, _, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return f"{before}{_BEGIN}{capabilities_table()}{end}{after}"


def capabilities_table() -> str:
    """Return the table of what can be done where, in Markdown."""
    columns = {
        name: kind.build(VenueHttp(kind.label, kind.hosts), Seams()).capabilities
        for name, kind in VENUES.items()
    } | {"paper": PAPER}
    head = ["| |" + "".join(f" {name} |" for name in columns), "|---|" + "---|" * len(columns)]
    rows = zip(*(_cells(each) for each in columns.values()), strict=True)
    labels = list(_labels())
    body = [f"| {label} | {' | '.join(row)} |" for label, row in zip(labels, rows, strict=True)]
    return "\n".join((*head, *body))


def _labels() -> Iterable[str]:
    yield from ("order types", "how long orders work", "exits attached to an entry", "exits of a position")
    yield from (
        "take-profits for parts",
        "one exit takes the other away",
        "reduce-only by the venue",
        "short",
    )
    yield from ("leverage", "extended hours", "legs of an option order", "spreads at the market")
    yield "futures by contract"


def _cells(can: Capabilities) -> Iterable[str]:
    attached: set[ExitKind] = set()
    for kinds in can.attached_exits.values():
        attached |= kinds
    yield _list(OrderType, can.order_types)
    yield _list(TimeInForce, can.times_in_force)
    to = _list(OrderType, can.attached_exits)
    yield f"{_list(ExitKind, attached)}; to {to}" if attached else "-"
    yield _list(ExitKind, can.separate_exits)
    yield _tell(can.several_targets)
    yield "yes" if can.cancels_siblings else "we do" if can.separate_exits else "-"
    yield "yes" if can.reduces_natively else "sized by us"
    yield from map(_tell, (can.can_short, can.sets_leverage, can.extended_hours))
    yield str(can.option_legs or "-")
    yield _tell(can.market_spreads)
    yield _tell(can.futures)


def _list(
    order: Iterable[OrderType] | Iterable[TimeInForce] | Iterable[ExitKind], held: Iterable[str]
) -> str:
    there = set(held)
    return ", ".join(str(one).replace("_", "-") for one in order if one in there) or "-"


def _tell(can: bool) -> str:  # noqa: FBT001 - one cell of a table
    return "yes" if can else "-"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE}")
