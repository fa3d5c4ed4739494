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
_LEAST_DETAIL: Final = 30
_COLOURS: Final = {Verdict.CONFIRMED: "32", Verdict.NOT: "1;31", Verdict.CANNOT: "33"}


def header(width: int, *, colour: bool) -> str:
    """Return the first line of the table."""
    line = _GAP.join(
        ("what".ljust(_WHAT_WIDTH), "result".ljust(_VERDICT_WIDTH), "ms".rjust(_MS_WIDTH), "detail")
    )
    rule = "-" * max(_INDENT + len("detail"), width)
    return f"\033[1m{line}\033[0m\n{rule}" if colour else f"{line}\n{rule}"


def line(finding: Finding, width: int, *, colour: bool) -> str:
    """Return a finding's line; a long detail continues below its own column."""
    verdict = str(finding.seen.verdict).ljust(_VERDICT_WIDTH)
    if colour:
        verdict = f"\033[{_COLOURS[finding.seen.verdict]}m{verdict}\033[0m"
    took = "" if finding.milliseconds is None else str(finding.milliseconds)
    first, *rest = textwrap.wrap(finding.seen.detail, max(width - _INDENT, _LEAST_DETAIL)) or [""]
    columns = (finding.what.ljust(_WHAT_WIDTH), verdict, took.rjust(_MS_WIDTH), first)
    return "\n".join((_GAP.join(columns).rstrip(), *(f"{' ' * _INDENT}{more}" for more in rest)))


def summary(findings: Sequence[Finding]) -> str:
    """Return how many are confirmed, and what is not."""
    good = sum(finding.seen.verdict is Verdict.CONFIRMED for finding in findings)
    text = f"{good} of {len(findings)} confirmed."
    for verdict, words in ((Verdict.NOT, "Not as expected"), (Verdict.CANNOT, "Could not be found out")):
        names = [finding.what for finding in findings if finding.seen.verdict is verdict]
        if names:
            text += f"\n{words}: {', '.join(names)}."
    return text
