"""What ends a command: one sentence that says what is wrong and what to do."""


class RefusedError(Exception):
    """Told as it is, without a trace."""
