"""What counts for one signal: the trader's settings, narrowed over all that apply, and the switches."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from typing import Any, Final

from sparky.domain import fields


@unique
class OnOpposite(StrEnum):
    """What an entry does when a position of the other side is open. None of the settings said: `default`."""

    REVERSE = "reverse"
    CLOSE = "close"
    REJECT = "reject"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class TradingHours:
    """When entries are allowed: a preset by name, or else two times of day in New York.

    `source` says whose they are: `global` or the exchange's.
    """

    source: str
    preset: str
    begins: str
    ends: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """The strategy that the alert named."""

    name: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What counts for this signal; 0 is no limit.

    Ages are in seconds, percents such that 1 is one per cent. `allow_short` is None where no setting says.
    """

    trading_halted: bool
    halt_reason: str | None
    enabled: bool
    max_signal_age_sec: int
    max_exit_age_sec: int
    on_opposite: OnOpposite
    pyramiding: bool
    allow_short: bool | None
    hours: tuple[TradingHours, ...] = ()
    allow_weekends: bool = True
    max_position_size_usd: Decimal = Decimal(0)
    position_size_percent: Decimal = Decimal(0)
    take_profit_percent: Decimal = Decimal(0)
    stop_loss_percent: Decimal = Decimal(0)
    strike_tolerance_percent: Decimal = Decimal(1)
    entry_limit_offset_percent: Decimal = Decimal(1)
    max_leverage: Decimal = Decimal(0)
    max_slippage_percent: Decimal = Decimal(0)
    strategy: Strategy | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """One counted limit on entries, as the database found it: what is used of it, and whether one more fits.

    `name` is the setting, `scope` the exchange that is counted, or `all`. For `cooldown_sec` `used` are the
    seconds since the last entry.
    """

    name: str
    scope: str
    limit: Decimal
    used: Decimal
    ok: bool


_SETTINGS_FIELDS: Final = frozenset(Settings.__dataclass_fields__)


def parse_settings(source: Mapping[str, Any], path: str) -> Settings:
    """Read settings as `private.effective_settings` writes them. What is not known here is an error.

    Raises:
        WorkOrderError: anything is missing, of the wrong type or out of range, named by its path.
    """
    fields.refuse_unknown(source, _SETTINGS_FIELDS, path)

    def number(name: str, otherwise: int = 0) -> Decimal:
        value = fields.optional(fields.not_negative, source, name, path)
        return Decimal(otherwise) if value is None else value

    allow_weekends = fields.optional(fields.boolean, source, "allow_weekends", path)
    return Settings(
        trading_halted=fields.boolean(source, "trading_halted", path),
        halt_reason=fields.optional(fields.text, source, "halt_reason", path),
        enabled=fields.boolean(source, "enabled", path),
        max_signal_age_sec=fields.integer(source, "max_signal_age_sec", path),
        max_exit_age_sec=fields.integer(source, "max_exit_age_sec", path),
        on_opposite=fields.choice(source, "on_opposite", path, OnOpposite),
        pyramiding=fields.boolean(source, "pyramiding", path),
        allow_short=fields.optional(fields.boolean, source, "allow_short", path),
        hours=_parse_hours(source, path),
        allow_weekends=True if allow_weekends is None else allow_weekends,
        max_position_size_usd=number("max_position_size_usd"),
        position_size_percent=number("position_size_percent"),
        take_profit_percent=number("take_profit_percent"),
        stop_loss_percent=number("stop_loss_percent"),
        strike_tolerance_percent=number("strike_tolerance_percent", 1),
        entry_limit_offset_percent=number("entry_limit_offset_percent", 1),
        max_leverage=number("max_leverage"),
        max_slippage_percent=number("max_slippage_percent"),
        strategy=_parse_strategy(source, path),
    )


def parse_limits(source: Mapping[str, Any], name: str, path: str) -> tuple[Limit, ...]:
    """Read the counted limits of a field; none when it is absent.

    Raises:
        WorkOrderError: anything is missing, of the wrong type or out of range, named by its path.
    """
    if source.get(name) is None:
        return ()
    found = []
    for index, item in enumerate(fields.items(source, name, path)):
        here = f"{path}.{name}[{index}]"
        found.append(parse_limit(fields.mapping(item, here), here))
    return tuple(found)


def parse_limit(source: Mapping[str, Any], path: str) -> Limit:
    """Read one counted limit.

    Raises:
        WorkOrderError: anything is missing, of the wrong type or out of range, named by its path.
    """
    return Limit(
        name=fields.text(source, "name", path),
        scope=fields.text(source, "scope", path),
        limit=fields.not_negative(source, "limit", path),
        used=fields.decimal(source, "used", path),
        ok=fields.boolean(source, "ok", path),
    )


def _parse_hours(source: Mapping[str, Any], path: str) -> tuple[TradingHours, ...]:
    if source.get("hours") is None:
        return ()
    found = []
    for index, item in enumerate(fields.items(source, "hours", path)):
        here = f"{path}.hours[{index}]"
        one = fields.mapping(item, here)
        found.append(
            TradingHours(
                source=fields.text(one, "source", here),
                preset=fields.text(one, "preset", here),
                begins=fields.time_of_day(one, "begins", here),
                ends=fields.time_of_day(one, "ends", here),
            )
        )
    return tuple(found)


def _parse_strategy(source: Mapping[str, Any], path: str) -> Strategy | None:
    if source.get("strategy") is None:
        return None
    here = f"{path}.strategy"
    strategy = fields.mapping(source["strategy"], here)
    return Strategy(name=fields.text(strategy, "name", here), active=fields.boolean(strategy, "active", here))
