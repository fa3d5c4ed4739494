"""What the demo tells a person in one sentence."""


class DemoError(Exception):
    """A step failed; the message is the sentence."""
