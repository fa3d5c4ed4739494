"""One line for each alert: who, what, how it ended, and when each stage was reached."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.text import Text

from scripts.demo.evidence import Sent, Signal

# Milliseconds after the alert was received.
STAGES: Final = ("claim", "sent", "ack", "end")
_STAGE_WIDTH: Final = 6
_WHAT_WIDTH: Final = 31
_OUTCOME_WIDTH: Final = 24
_STYLES: Final = {
    "done": "green",
    "duplicate": "cyan",
    "refused": "yellow",
    "rejected": "yellow",
    "rate_limited": "yellow",
    "expired": "yellow",
    "failed": "bold red",
    "review": "bold red",
}


def titles(title: str, width: int) -> Text:
    """Return the heading of an act, with the titles of the stage columns where the columns are."""
    columns = "".join(f"{stage:>{_STAGE_WIDTH}}" for stage in STAGES)
    before = _WHAT_WIDTH + _OUTCOME_WIDTH
    line = Text(f"{title} ", style="bold")
    line.append("─" * max(0, before - len(title) - 1), style="dim")
    line.append(columns, style="dim")
    line.truncate(width)
    return line


def alert_lines(sent: Sent, signal: Signal | None, width: int) -> list[Text]:
    """Return the line of one alert, and a second with the reason where there is something to say."""
    status, code = (sent.reply.status, sent.reply.reason_code) if signal is None else _end(signal)
    outcome = status if code is None else f"{status} {code}"
    if signal is not None and signal.attempt > 1:
        outcome = f"{outcome}, {signal.attempt} claims"
    alert = sent.alert
    line = Text(f"{alert.trader:<4}{alert.action:<12}{alert.symbol:<9}{alert.via:<6}")
    line.append(f"{outcome:<{_OUTCOME_WIDTH}}"[:_OUTCOME_WIDTH], style=_STYLES.get(status, "none"))
    line.append("".join(f"{cell:>{_STAGE_WIDTH}}" for cell in _stages(signal)))
    line.truncate(width)
    reason = _reason(sent, signal)
    if reason is None:
        return [line]
    second = Text(f"    {reason}", style="dim")
    second.truncate(width, overflow="ellipsis")
    return [line, second]


def _end(signal: Signal) -> tuple[str, str | None]:
    return signal.status, signal.reason_code


def _stages(signal: Signal | None) -> Sequence[str]:
    if signal is None:
        return [""] * len(STAGES)
    reached = (signal.claimed_at, signal.submitted_at, signal.acknowledged_at, signal.finished_at)
    return [_after(signal.received_at, moment) for moment in reached]


def _after(start: datetime, moment: datetime | None) -> str:
    return "-" if moment is None else f"{(moment - start) / timedelta(milliseconds=1):.0f}"


def _reason(sent: Sent, signal: Signal | None) -> str | None:
    if signal is not None:
        # What a plain execution says of itself is in the line already.
        plain = signal.status == "done" and signal.reason_code is None
        return None if plain else signal.reason
    given = sent.answer.body.get("reason")
    return None if given is None else str(given)
