"""What was checked and planned for a signal, for its trader to read."""

from typing import Any

from sparky.domain.plan import NothingToDo, Plan
from sparky.domain.plan_json import checks_to_json, plan_to_json
from sparky.engine.in_hand import InHand


def explain(hand: InHand) -> dict[str, Any] | None:
    """Return every check of a signal, and what was planned where no order was begun; None before planning.

    The plan of a signal that was begun is stored with it.
    """
    decision = hand.decision
    if decision is None:
        return None
    plan = decision.plan if isinstance(decision, NothingToDo) else decision
    told = None
    if isinstance(plan, Plan) and not hand.begun:
        told = {name: value for name, value in plan_to_json(plan).items() if name != "checks"}
    return {"checks": checks_to_json((*decision.checks, *hand.checks)), "plan": told}
