"""The stack in the calling process: for the terminal, and for the supervisor that another process started."""

import sys
from collections.abc import Callable

from scripts.local_stack import launch
from scripts.local_stack.options import UpOptions
from scripts.local_stack.signals import Ended, Inbox
from scripts.local_stack.state import StackState
from scripts.local_stack.supervisor import Supervisor


def serve(options: UpOptions, show: Callable[[StackState], None]) -> None:
    """Run a stack until a signal ends it, and take it down in order.

    Raises:
        StackError: it does not start; nothing is left running.
    """
    with Inbox() as inbox:
        supervisor = Supervisor(options, launch.say_or(_say_to_terminal))
        try:
            state = supervisor.start()
            inbox.quiet()
            launch.tell_parent({"ready": True})
            if not launch.has_parent():
                show(state)
                print("Ctrl-C stops it.", flush=True)
            supervisor.watch(inbox)
        except Ended:
            return
        finally:
            inbox.quiet()
            supervisor.stop()


def _say_to_terminal(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
