"""What a person sees meanwhile: lines that stay, and below them, on a terminal, what is going on now."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from scripts.demo.evidence import Sent, Signal
from scripts.demo.lines import alert_lines, titles

_FRAMES_PER_SECOND = 8


class View:
    """Prints to the console and into the demo's log; `live` adds the part that changes in place."""

    def __init__(self, console: Console, *, live: bool) -> None:
        self._console = console
        self._log: TextIO | None = None
        self._began = time.monotonic()
        self._sent: dict[str, Sent] = {}
        self._count = 0
        self._shown: set[str] = set()
        self._signals: Sequence[Signal] = ()
        self._spinner = Spinner("line", "")
        self.workers: Callable[[], Sequence[str]] = list
        self.doing = ""
        self._live = (
            Live(
                get_renderable=self._now,
                console=console,
                refresh_per_second=_FRAMES_PER_SECOND,
                transient=True,
                redirect_stdout=False,
            )
            if live
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()

    def settle(self) -> None:
        """Take away what changes; lines that stay can follow."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def write_to(self, log: TextIO) -> None:
        """Write every line into a log too."""
        self._log = log

    def step(self, doing: str) -> None:
        """Say what is done now."""
        self.doing = doing
        self.print(Text(f"{self._elapsed():6.1f} s  {doing}", style="dim"))

    def act(self, number: int, total: int, title: str) -> None:
        """Begin an act."""
        self.doing = title
        self.print(Text())
        self.print(titles(f"{number} of {total}  {title}", self._console.width))

    def note(self, words: str, style: str = "bold") -> None:
        """Print a sentence between the lines."""
        self.print(Text(words, style=style))

    def on_sent(self, sent: Sent) -> None:
        """Show an answer: at once if no signal came of it, else when the signal ends."""
        self._count += 1
        is_signal = sent.answer.signal_id and sent.reply.status != "duplicate"
        if is_signal:
            self._sent[sent.answer.signal_id] = sent
        else:
            self._print_all(alert_lines(sent, None, self._console.width))

    def on_signals(self, signals: Sequence[Signal]) -> None:
        """Show the signals that have ended since the last look."""
        self._signals = signals
        ended = [one for one in signals if one.finished_at is not None and one.id not in self._shown]
        for signal in sorted(ended, key=lambda one: one.finished_at or one.received_at):
            sent = self._sent.get(signal.id)
            # The row can be read before its POST has come back.
            if sent is not None:
                self._shown.add(signal.id)
                self._print_all(alert_lines(sent, signal, self._console.width))

    def print(self, thing: Text | Table) -> None:
        """Print something that stays."""
        self._console.print(thing)
        if self._log is not None and not self._log.closed:
            Console(file=self._log, width=self._console.width, no_color=True).print(thing)
            self._log.flush()

    def _print_all(self, lines: Sequence[Text]) -> None:
        for line in lines:
            self.print(line)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _now(self) -> Group:
        self._spinner.update(text=Text(f"{self.doing}  {self._elapsed():.1f} s", style="bold"))
        status = Counter(one.status for one in self._signals)
        waiting = [one.symbol or "?" for one in self._signals if one.status == "executing"]
        rows = Table.grid(padding=(0, 2))
        rows.add_row(
            "alerts",
            f"{self._count} answered, {status['pending']} waiting, "
            f"{status['executing']} executing, {len(self._shown)} ended",
        )
        rows.add_row("workers", "; ".join(self.workers()) or "none yet")
        rows.add_row("executing", Text(" ".join(waiting) or "-", no_wrap=True, overflow="ellipsis"))
        rule = Text("─" * self._console.width, style="dim")
        return Group(rule, self._spinner, rows)
