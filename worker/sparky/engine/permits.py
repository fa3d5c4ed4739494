"""Until when an order may leave."""

from typing import Final

from sparky.domain.errors import LostClaim
from sparky.engine.leases import Lease
from sparky.runtime.seams import Clock

# Of the venue's time-out: one for the writing down of the leg, one for the way to the venue. An order that
# has not left by then does not leave any more, so whoever finds it written down knows from when on it counts.
_TIMEOUTS: Final = 2
# Kept between the last byte and the end of the lease.
_MARGIN_SECONDS: Final = 0.5


def send_window(venue_timeout_seconds: float) -> float:
    """Return for how many seconds after it was written down an order may still leave."""
    return _TIMEOUTS * venue_timeout_seconds


class SendingPermit:
    """The right to send one leg once. An adapter asks it immediately before the first byte leaves.

    A process may stand still at any line (SIGSTOP, a paused machine), and go on when another worker has
    the claim. What remains unprotected is a pause between this check and the socket, and a network that
    holds the bytes back: there only the venue's own look at the client id can help.
    """

    def __init__(self, clock: Clock, lease: Lease, *, asked_at: float, venue_timeout_seconds: float) -> None:
        """Start the window at `asked_at`, the moment before the writing down was asked for."""
        self._clock = clock
        self._lease = lease
        self._until = asked_at + send_window(venue_timeout_seconds)
        self.used = False

    def __call__(self) -> None:
        """Allow the first byte to leave.

        Raises:
            LostClaim: too much time has passed, or the claim is gone.
        """
        if self.has_passed():
            raise LostClaim("the time to send the order has passed")
        self.used = True

    def has_passed(self) -> bool:
        """Tell whether it does not allow anything any more."""
        now = self._clock.monotonic()
        return self._lease.lost or now > min(self._until, self._lease.until - _MARGIN_SECONDS)
