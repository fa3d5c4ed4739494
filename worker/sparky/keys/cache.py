"""Opened credentials, kept for a time, because each opening is a call and an audit row."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from sparky.domain.identifiers import AccountId
from sparky.keys.secret import Secret
from sparky.runtime.seams import Clock

Credentials = Mapping[str, Secret]

# Every account is compared with its venue about once a minute: kept for less than that, its keys would be
# opened each time, and a trader's audit would hold little else. Whoever can read this memory can read the
# private key in it too, so that a shorter time would protect nothing.
_DEFAULT_SECONDS: Final = 3600.0
# Fewer than there are accounts, and each comparison would push out the keys that the next one needs.
_DEFAULT_ENTRIES: Final = 10_000


class CredentialCache:
    """Credentials by account and key version, for `seconds` after they were opened.

    A later key version of an account pushes the held one out at once. The account opened longest ago
    leaves when there are more than `entries`. Only one event loop may use it.
    """

    def __init__(
        self, clock: Clock, *, seconds: float = _DEFAULT_SECONDS, entries: int = _DEFAULT_ENTRIES
    ) -> None:
        if seconds <= 0 or entries < 1:
            raise ValueError("a credential cache needs a time above zero and at least one entry")
        self._clock = clock
        self._seconds = seconds
        self._entries = entries
        # In the order of opening, which is also the order of expiry.
        self._held: OrderedDict[AccountId, tuple[int, float, Credentials]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"CredentialCache({len(self._held)} accounts)"

    def get(self, account: AccountId, key_version: int) -> Credentials | None:
        """Return the credentials of an account, of this version or a later one, if they are held."""
        self.forget_expired()
        held = self._held.get(account)
        if held is None:
            return None
        if held[0] < key_version:
            del self._held[account]
            return None
        return held[2]

    def version_of(self, account: AccountId) -> int | None:
        """Return the version of what is held of an account; None when nothing is."""
        self.forget_expired()
        held = self._held.get(account)
        return None if held is None else held[0]

    def put(self, account: AccountId, key_version: int, credentials: Credentials) -> None:
        """Hold the credentials of an account."""
        self.forget_expired()
        # Taken out first: an entry that is only overwritten keeps its place in the order of expiry.
        self._held.pop(account, None)
        self._held[account] = (key_version, self._clock.monotonic() + self._seconds, credentials)
        while len(self._held) > self._entries:
            self._held.popitem(last=False)

    def forget(self, account: AccountId) -> None:
        """Drop the credentials of an account: the venue has refused them, or they were deleted."""
        self._held.pop(account, None)

    def forget_all(self) -> None:
        """Drop everything, on shutdown."""
        self._held.clear()

    def forget_expired(self) -> None:
        """Drop what is past its time. Call it also when idle, or secrets outlive their time."""
        now = self._clock.monotonic()
        while self._held and next(iter(self._held.values()))[1] <= now:
            self._held.popitem(last=False)
