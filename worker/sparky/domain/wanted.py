"""What planning a signal has to ask of the venue first."""

from sparky.domain.planner import is_exit
from sparky.domain.snapshot import Wanted
from sparky.domain.work_order import WorkOrder


def wanted(order: WorkOrder) -> Wanted:
    """Return what `make_plan` needs to know of this signal's account and instrument."""
    # Whatever touches a position is sized from the venue's own; a plain entry takes our word for "flat".
    return Wanted(position=is_exit(order) or order.position is not None)
