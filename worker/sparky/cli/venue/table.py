"""The table of findings in a terminal."""

import textwrap
from collections.abc import Sequence
from typing import Final

from sparky.cli.venue.findings import Finding, Verdict

_WHAT_WIDTH: Final = 34
_VERDICT_WIDTH: Final = 9
_MS_WIDTH: Final = 7
_GAP: Final = "  "
_INDENT: Final = _WHAT_WIDTH + _VERDICT_WIDTH + _MS_WIDTH + 3 * len(_GAP)
_LEAST_DETAIL: Final = 45
_NARROW_INDENT: Final = 4
_COLOURS: Final = {Verdict.CONFIRMED: "32", Verdict.NOT: "1;31", Verdict.CANNOT: "33"}


def header(width: int, *, colour: bool) -> str:
    """Return the first line of the table."""
    columns = ("what".ljust(_WHAT_WIDTH), "result".ljust(_VERDICT_WIDTH), "ms".rjust(_MS_WIDTH), "detail")
    title = _GAP.join(columns[:-1] if _is_narrow(width) else columns)
    rule = "-" * width
    return f"\033[1m{title}\033[0m\n{rule}" if colour else f"{title}\n{rule}"


def line(finding: Finding, width: int, *, colour: bool) -> str:
    """Return a finding's line; a long detail goes on below its column, in a narrow terminal below all."""
    verdict = str(finding.seen.verdict).ljust(_VERDICT_WIDTH)
    if colour:
        verdict = f"\033[{_COLOURS[finding.seen.verdict]}m{verdict}\033[0m"
    took = "" if finding.milliseconds is None else str(finding.milliseconds)
    columns = (finding.what.ljust(_WHAT_WIDTH), verdict, took.rjust(_MS_WIDTH))
    indent = _NARROW_INDENT if _is_narrow(width) else _INDENT
    detail = textwrap.wrap(finding.seen.detail, width - indent, break_long_words=False)
    beside = 0 if _is_narrow(width) else 1
    first = _GAP.join((*columns, *detail[:beside])).rstrip()
    return "\n".join((first, *(" " * indent + more for more in detail[beside:])))


def _is_narrow(width: int) -> bool:
    return width - _INDENT < _LEAST_DETAIL


def summary(findings: Sequence[Finding]) -> str:
    """Return how many are confirmed, and what is not."""
    good = sum(finding.seen.verdict is Verdict.CONFIRMED for finding in findings)
    text = f"{good} of {len(findings)} confirmed."
    for verdict, words in ((Verdict.NOT, "Not as expected"), (Verdict.CANNOT, "Could not be found out")):
        names = [finding.what for finding in findings if finding.seen.verdict is verdict]
        if names:
            text += f"\n{words}: {', '.join(names)}."
    return text
