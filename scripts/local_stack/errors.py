"""The one error of the launcher."""


class StackError(Exception):
    """Something the person at the terminal can put right; the message says what and how."""
