"""Errors: the one error of an export that its caller sees."""


class ExportError(Exception):
    """The export cannot go on; the message is one line with the reason and the remedy."""
