"""How much Aster allows in a minute: as it is written, until its list of instruments tells (`rateLimits`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sparky.venues.budget import Limit

_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AsterLimits:
    """Weight for an address, and orders for an account."""

    weight: Limit
    orders: Limit


WRITTEN_LIMITS: Final = AsterLimits(weight=Limit(2400, _SECONDS), orders=Limit(1200, _SECONDS))
"""By https://github.com/asterdex/api-docs, V3, "LIMITS"."""


def read_limits(body: Any) -> AsterLimits:
    """Read the limits of a minute; what is missing or not understood stays as it is written."""
    listed = body.get("rateLimits") if isinstance(body, Mapping) else None
    told = {
        one.get("rateLimitType"): one.get("limit")
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, Mapping) and one.get("interval") == "MINUTE" and one.get("intervalNum", 1) == 1
    }
    return AsterLimits(
        weight=_limit(told.get("REQUEST_WEIGHT"), WRITTEN_LIMITS.weight),
        orders=_limit(told.get("ORDERS"), WRITTEN_LIMITS.orders),
    )


def _limit(told: Any, written: Limit) -> Limit:
    return Limit(told, _SECONDS) if type(told) is int and told > 0 else written
