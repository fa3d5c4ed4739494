"""Text that does not show itself."""

import hmac
from typing import Final, NoReturn

_HIDDEN: Final = "Secret(hidden)"


class Secret:
    """A secret text. Printing, formatting or logging it shows nothing; `reveal` is the only way in."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return _HIDDEN

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash in a set or a log would outlive the secret

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written out")
