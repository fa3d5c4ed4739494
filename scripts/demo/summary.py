"""The end of the demo: what each trader sees, the checks, and the numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from scripts.demo.checks import Check, Verdict
from scripts.demo.evidence import Evidence, Seen
from scripts.demo.integrity import doubled, lost
from scripts.demo.latency import measure
from scripts.demo.scenario import ACCEPTED, DUPLICATE, Scenario
from scripts.demo.view import View

_FEW: Final = 3
_MARKS: Final = {Verdict.OK: "✓ ok", Verdict.WRONG: "✗ WRONG", Verdict.NOT_CHECKED: "- not checked"}
_STYLES: Final = {Verdict.OK: "green", Verdict.WRONG: "bold red", Verdict.NOT_CHECKED: "yellow"}


def show_seen(view: View, seen: Sequence[Seen]) -> None:
    """Print what each trader sees: how many rows, and the last few."""
    for one in seen:
        counts = ", ".join(f"{len(rows)} {table}" for table, rows in one.tables.items())
        view.print(Text())
        view.note(f"{one.trader}, signed in anew, sees {counts}.")
        for table, rows in one.tables.items():
            if table == "fills":
                continue
            for row in rows[-_FEW:]:
                view.print(_row(table, row))


def _row(table: str, row: Mapping[str, Any]) -> Text:
    shown = [_cell(value) for name, value in row.items() if name not in {"user_id", "received_at"}]
    line = Text(f"  {table:<11}", style="dim")
    line.append("".join(f"{cell:<13}" for cell in shown).rstrip(), style="none")
    return line


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = str(value)
    try:
        return f"{Decimal(text).normalize():f}"
    except ArithmeticError:
        return text


def show_checks(view: View, checks: Sequence[Check]) -> None:
    """Print the table of checks."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    table.add_column("check")
    table.add_column("must be", justify="right")
    table.add_column("is", justify="right")
    table.add_column("")
    for check in checks:
        mark = Text(_MARKS[check.verdict], style=_STYLES[check.verdict])
        table.add_row(check.name, check.expected, check.found, mark)
    view.print(Text())
    view.print(table)
    for check in checks:
        if check.detail:
            view.note(f"{_MARKS[check.verdict]}: {check.name}: {check.detail}", style=_STYLES[check.verdict])


def show_summary(view: View, scenario: Scenario, evidence: Evidence) -> None:
    """Print the numbers."""
    replies = Counter(one.reply for one in evidence.sent)
    refused = Counter(
        one.reply.reason_code for one in evidence.sent if one.reply not in {ACCEPTED, DUPLICATE}
    )
    accepted_ids = {one.answer.signal_id for one in evidence.sent if one.reply == ACCEPTED}
    unfit: Counter[str | None] = Counter(
        one.reason_code for one in evidence.records.signals if one.reason_code and one.id in accepted_ids
    )
    rows = [
        ("alerts sent", len(evidence.sent), ""),
        ("accepted", replies[ACCEPTED], f"of these without an order: {_list(unfit)}"),
        ("duplicates", replies[DUPLICATE], "answered with the first signal; no effect of their own"),
        ("refused", refused.total(), _list(refused)),
        ("orders at venue", len(evidence.book.orders), ""),
        ("lost", len(lost(evidence.sent, evidence.records)), "accepted and not brought to its end"),
        (
            "doubled",
            len(doubled(evidence.sent, evidence.records, evidence.book)),
            "sent, filled or held twice, or not as the venue's book has it",
        ),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, value, words in rows:
        table.add_row(name, str(value), words)
    view.print(Text())
    view.print(table)
    view.print(Text())
    _show_latency(view, scenario, evidence)


def _list(counts: Counter[str | None]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _show_latency(view: View, scenario: Scenario, evidence: Evidence) -> None:
    latency = measure(scenario, evidence)
    if evidence.one_clock:
        span, clock = "POST to acknowledged", "From just before each POST was sent, by this machine's clock"
    else:
        span, clock = "Received to acknowledged", "From each receipt, by the database's clock"
    view.note(f"{span}: p50 {latency.p50} ms, p95 {latency.p95} ms over {latency.count} signals")
    view.note(
        f"{clock}, to the venue's acknowledgement as the same clock saw it. "
        f"The {latency.left_out} signals of the act with the kill are left out.",
        style="dim",
    )
