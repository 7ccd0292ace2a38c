"""What can go wrong in an export, in words for the person who started it."""


class ExportError(Exception):
    """The export can not go on; the message is one line that says why, and what to do."""
