"""Which size counts: the alert's only one, else the settings' default, never a hidden one."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique

from sparky.domain.alert import AlertTerms
from sparky.domain.findings import Findings
from sparky.domain.reasons import Reason
from sparky.domain.work_order import WorkOrder


@unique
class SizeName(StrEnum):
    """The fields that say how much."""

    QUANTITY = "quantity"
    MARKET_POSITION_SIZE = "market_position_size"
    USD = "position_size_usd"
    PERCENT = "position_size_percent"
    RISK_PERCENT = "risk_percent"
    RISK_USD = "risk_usd"
    CLOSE_PERCENT = "close_percent"

    @property
    def is_money(self) -> bool:
        """A price turns it into a quantity."""
        return self in {SizeName.USD, SizeName.PERCENT, SizeName.RISK_PERCENT, SizeName.RISK_USD}

    @property
    def is_risk(self) -> bool:
        """The distance to the stop turns it into a quantity."""
        return self in {SizeName.RISK_PERCENT, SizeName.RISK_USD}

    @property
    def is_share(self) -> bool:
        """It is a part of the account's money."""
        return self in {SizeName.PERCENT, SizeName.RISK_PERCENT}


@dataclass(frozen=True, slots=True)
class AskedSize:
    """How much is asked for, in the words of the field that says it. Percents are such that 1 is one."""

    name: SizeName
    value: Decimal
    of_settings: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.value:f}{' of your settings' if self.of_settings else ''}"


def sizes_of(alert: AlertTerms) -> tuple[AskedSize, ...]:
    """Return every size that the alert gives; more than one contradict each other."""
    given = {
        SizeName.QUANTITY: alert.quantity,
        SizeName.USD: alert.position_size_usd,
        SizeName.PERCENT: alert.position_size_percent,
        SizeName.RISK_PERCENT: alert.risk_percent,
        SizeName.RISK_USD: alert.risk_usd,
        SizeName.CLOSE_PERCENT: alert.close_percent,
    }
    return tuple(AskedSize(name, value) for name, value in given.items() if value is not None)


def asked_size(order: WorkOrder) -> AskedSize | None:
    """Return the size that an entry goes by, the first of several; None where neither alert nor settings say.

    In target mode the size of the market position is that of the new position, where it is given and the
    alert has no size but `quantity`.
    """
    alert = order.alert
    given = next(iter(sizes_of(alert)), None)
    target = alert.market_position_size if alert.market_position is not None else None
    if target and (given is None or given.name is SizeName.QUANTITY):
        return AskedSize(SizeName.MARKET_POSITION_SIZE, target)
    if given is not None:
        return given
    default = order.settings.position_size_percent
    return AskedSize(SizeName.PERCENT, default, of_settings=True) if default else None


def refuse_several(alert: AlertTerms, findings: Findings) -> None:
    """Let only one size pass.

    Raises:
        Declined: the alert says how much in more than one way.
    """
    given = ", ".join(f"{one}" for one in sizes_of(alert))
    if ", " in given:
        findings.refuse(
            "size",
            given,
            "one",
            Reason.SIZE_CONFLICT,
            f"The alert says how much in more than one way ({given}): keep one of them.",
        )
