"""What happened in a simulation, in order, for a person to read and for two runs to be compared."""

from typing import Final

_WIDTH: Final = 9


class Events:
    """Lines with their virtual time."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, at: float, what: str) -> None:
        self.lines.append(f"{at:{_WIDTH}.3f}  {what}")
