"""Signals as a queue of orders, so that a handler never interrupts work half done."""

import os
import select
import signal
import time
from collections import deque
from enum import Enum, auto
from types import FrameType
from typing import Self


class Order(Enum):
    END = auto()
    STOP_POSTGRES = auto()
    START_POSTGRES = auto()


STOP_POSTGRES = signal.SIGUSR1
START_POSTGRES = signal.SIGUSR2
_ORDERS = {
    signal.SIGINT: Order.END,
    signal.SIGTERM: Order.END,
    signal.SIGHUP: Order.END,
    STOP_POSTGRES: Order.STOP_POSTGRES,
    START_POSTGRES: Order.START_POSTGRES,
}


class Ended(Exception):  # noqa: N818 - not an error: somebody asked for the end
    """The end was ordered while something was still starting."""


class Inbox:
    """Receives orders until `close`. Before `quiet` is called, an order to end raises `Ended`."""

    def __init__(self) -> None:
        self._orders: deque[Order] = deque()
        self._quiet = False
        self._reader, writer = os.pipe()
        self._writer = writer
        os.set_blocking(writer, False)
        self._before = {number: signal.signal(number, self._receive) for number in (*_ORDERS, signal.SIGCHLD)}
        self._wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def quiet(self) -> None:
        self._quiet = True

    def wait(self, seconds: float) -> Order | None:
        """Return the next order, or None when a child ended or the time is over."""
        if not self._orders:
            select.select([self._reader], [], [], seconds)
            while select.select([self._reader], [], [], 0)[0]:
                os.read(self._reader, 512)
        return self._orders.popleft() if self._orders else None

    def pause(self, seconds: float) -> bool:
        """Sleep unless the end is ordered; tell whether it is. The order stays in the queue."""
        deadline = time.monotonic() + seconds
        while Order.END not in self._orders and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
        return Order.END in self._orders

    def close(self) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        order = _ORDERS.get(signal.Signals(number))
        if order is None:
            return
        self._orders.append(order)
        if order is Order.END and not self._quiet:
            self._quiet = True
            raise Ended
