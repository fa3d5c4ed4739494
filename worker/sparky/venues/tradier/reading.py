"""The border at which an answer that is not understood becomes no answer."""

from collections.abc import Callable
from typing import TypeVar

from sparky.domain.errors import VenueUnavailable
from sparky.venues.tradier.wire import NotUnderstood

A = TypeVar("A")
T = TypeVar("T")


def read(parse: Callable[[A], T], answer: A, what: str) -> T:
    """Read an answer.

    Raises:
        VenueUnavailable: it is not of Tradier's language; it must not be taken for "nothing".
    """
    try:
        return parse(answer)
    except NotUnderstood as error:
        place = str(error)
    except ValueError:
        # Ours, of a value that no answer should have, such as an option for less than nothing.
        place = "a value is out of range"
    raise VenueUnavailable(f"Tradier's answer about {what} was not understood: {place}.")
