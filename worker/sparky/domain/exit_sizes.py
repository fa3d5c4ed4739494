"""How several take-profits share what was filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sparky.domain.fitting import sizes_of_exits
from sparky.domain.plan import ExitTerms
from sparky.domain.rules import InstrumentRules, exact_difference, exact_product, round_down_to_step

_HUNDREDTH: Final = Decimal("0.01")
_WHOLE: Final = Decimal(100)
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Shares:
    """The quantity of each target by its number; one that is not there is not placed."""

    quantities: Mapping[int, Decimal]
    notes: tuple[str, ...] = ()


def shares_of_targets(targets: Sequence[ExitTerms], quantity: Decimal, rules: InstrumentRules) -> Shares:
    """Share `quantity` among targets by their percents.

    The parts are in steps and come to all that the percents come to: the last one takes the rest. A part
    below the smallest order goes to the next target, the last one's to the one before.
    """
    if not targets:
        return Shares({})
    sizes = sizes_of_exits(rules)
    least = max(sizes.least, sizes.step)
    parts = _parts(targets, quantity, sizes.step)
    placed: dict[int, Decimal] = {}
    carried = _ZERO
    for target, part in zip(targets, parts, strict=True):
        size = part + carried
        carried = size if size < least else _ZERO
        if size >= least:
            placed[target.number] = size
    if carried > 0:
        # Nothing is large enough by itself: the venue says whether it takes all of it at the first target.
        number = list(placed)[-1] if placed else targets[0].number
        placed[number] = placed.get(number, _ZERO) + carried
    return Shares(placed, _notes(targets, placed, quantity, least))


def _parts(targets: Sequence[ExitTerms], quantity: Decimal, step: Decimal) -> list[Decimal]:
    def share(percent: Decimal) -> Decimal:
        return round_down_to_step(exact_product(exact_product(quantity, percent), _HUNDREDTH), step)

    percents = [target.quantity_percent for target in targets]
    total = sum(percents, _ZERO)
    parts = [share(percent) for percent in percents[:-1]]
    rest = quantity if total >= _WHOLE else share(total)
    for part in parts:
        rest = exact_difference(rest, part)
    return [*parts, rest]


def _notes(
    targets: Sequence[ExitTerms], placed: Mapping[int, Decimal], quantity: Decimal, least: Decimal
) -> tuple[str, ...]:
    if len(placed) == len(targets):
        return ()
    note = (
        f"{len(placed)} of {len(targets)} take-profits are placed for {quantity:f}, because a part of it "
        f"would be below the smallest order of {least:f}."
    )
    return (note,)
