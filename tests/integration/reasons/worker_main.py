"""`sparky worker` that waits for nothing long, and for which some symbols are traded on a Saturday.

Patience with a venue that is away is two minutes, which no test has; and a weekend comes when it comes.
"""

import sys
from typing import Any, Final

import sparky.engine.cancelling
import sparky.engine.in_hand
import sparky.engine.inbox
import sparky.engine.lookup
from sparky.cli.main import main
from sparky.domain.work_order import WorkOrder, parse_work_order
from sparky.venues.aster.adapter import AsterAdapter

SATURDAY_SYMBOL: Final = "SATURDAYUSDT"
_SATURDAY: Final = "2026-11-21T17:00:00+00:00"


def _on_saturday(value: Any) -> WorkOrder:
    moments = ("now", "received_at", "alert_at") if value.get("symbol") == SATURDAY_SYMBOL else ()
    return parse_work_order({**value, **dict.fromkeys(moments, _SATURDAY)})


if __name__ == "__main__":
    sparky.engine.in_hand.PATIENCE_SECONDS = 1.0  # type: ignore[misc]
    sparky.engine.lookup._PATIENCE_SECONDS = 1.0  # type: ignore[misc]
    sparky.engine.cancelling._PATIENCE_SECONDS = 1.0  # type: ignore[misc]
    sparky.engine.inbox.parse_work_order = _on_saturday  # type: ignore[attr-defined]
    AsterAdapter.visibility_seconds = 1.0  # type: ignore[misc]
    sys.exit(main(["worker"]))
