"""Choosing TCP ports on the loopback interface."""

import socket
from contextlib import closing

from scripts.local_stack.errors import StackError

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def choose(given: int | None, remembered: int | None, option: str) -> int:
    """Return the given port, else the remembered one if it is free, else any free one.

    Raises:
        StackError: the given port cannot be used.
    """
    if given is not None:
        if not 1 <= given <= 65535:  # noqa: PLR2004 - the range of TCP ports
            raise StackError(f"{option} {given} is not a port number: give one from 1 to 65535.")
        if not is_free(given):
            raise StackError(
                f"Port {given} is in use by another program: stop it, or give {option} another number."
            )
        return given
    if remembered is not None and is_free(remembered):
        return remembered
    return free_port()
