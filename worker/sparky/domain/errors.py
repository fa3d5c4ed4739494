"""Every exception of Sparky, ordered by what the caller may do.

    SparkyError
    ├── Retryable                  try the same again later, with back-off
    │   ├── DatabaseUnavailable      the database did not answer or could not commit
    │   ├── WakeUpUnavailable        no wake-ups: the timer covers the gap
    │   └── VenueUnavailable         a venue did not answer a question (never an order: see Outcome)
    ├── Refusal                    never try the same again; tell the trader
    │   ├── WorkOrderError           a work order is not what it should be
    │   ├── CredentialsInvalid       the venue does not accept the keys
    │   ├── UnknownSymbol            the venue does not list the symbol
    │   └── SealError                stored credentials do not open
    │       ├── MalformedSealError     neither a sealed text nor plain fields, or damaged
    │       ├── UnknownKeyError        sealed to a key that this worker does not hold
    │       └── WrongContextError      sealed for another trader, venue or environment, or altered
    ├── LookUpFirst                ask the venue what it has before anything else is sent
    └── Stop                       give up what is in hand
        ├── LostClaim                the work is no longer ours: leave it alone
        ├── DatabaseContractError    the database answered what it never should: do not guess
        └── ConfigurationError       the process cannot start

Messages are sentences for a person and never hold a secret.
"""

from sparky.domain.reasons import Reason


class SparkyError(Exception):
    """The root: catch it at the border of a task, nowhere else."""


class Retryable(SparkyError):  # noqa: N818 - names say what to do, as in httpx
    """Try the same again later, with back-off."""


class DatabaseUnavailable(Retryable):
    """The database did not answer, or could not commit.

    `reached` is False only when the request certainly did not arrive; otherwise it may have been executed.
    """

    def __init__(self, message: str, *, reached: bool = True) -> None:
        super().__init__(message)
        self.reached = reached


class WakeUpUnavailable(Retryable):
    """The wake-up channel cannot be joined or is lost."""


class VenueUnavailable(Retryable):
    """A venue did not answer a question. Writes never raise this: they end in an `Outcome`."""


class Refusal(SparkyError):  # noqa: N818 - names say what to do, as in httpx
    """Never try the same again. `reason_code` and `reason` are for the trader."""

    def __init__(self, reason_code: Reason, reason: str) -> None:
        super().__init__(reason)
        self.reason_code = reason_code
        self.reason = reason


class WorkOrderError(Refusal):
    """A work order is not what it should be. `field` is the path of what is wrong."""

    def __init__(self, field: str, problem: str, *, reason_code: Reason = Reason.INTERNAL_ERROR) -> None:
        super().__init__(reason_code, f"work order: {field} {problem}")
        self.field = field


class CredentialsInvalid(Refusal):
    """The venue does not accept the keys."""

    def __init__(self, reason: str) -> None:
        super().__init__(Reason.CREDENTIALS_INVALID, reason)


class UnknownSymbol(Refusal):
    """The venue does not list the symbol."""

    def __init__(self, reason: str) -> None:
        super().__init__(Reason.UNKNOWN_SYMBOL, reason)


class SealError(Refusal):
    """Stored credentials do not open. The message holds no plaintext and no key bytes."""

    def __init__(self, reason: str) -> None:
        super().__init__(Reason.CREDENTIALS_INVALID, reason)


class MalformedSealError(SealError):
    """The text is not of the form that sealing produces, or does not hold fields, or cannot be read."""


class UnknownKeyError(SealError):
    """Sealed to a key that this worker does not hold."""


class WrongContextError(SealError):
    """Sealed for another trader, venue or environment, or altered since."""


class LookUpFirst(SparkyError):  # noqa: N818 - names say what to do, as in httpx
    """Ask the venue what it has before anything else is sent."""


class Stop(SparkyError):  # noqa: N818 - names say what to do, as in httpx
    """Give up what is in hand."""


class LostClaim(Stop):
    """The work is no longer ours: another claim has a higher fence, or nobody has one."""


class DatabaseContractError(Stop):
    """The database answered what it never should. Do not guess."""


class ConfigurationError(Stop):
    """The process cannot start. The message names the setting and where to set it."""
