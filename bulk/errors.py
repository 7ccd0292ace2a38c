"""What can go wrong in a run, in words for the person who started it."""


class BulkError(Exception):
    """The run cannot go on; the message names the file, the row, the value or the option, and the remedy."""


class UsageError(BulkError):
    """The command line, or what it names, does not fit together; nothing was scored."""
