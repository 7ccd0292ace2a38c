"""Unit tests of the wire formats, one module each."""
