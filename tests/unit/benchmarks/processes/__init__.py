"""Unit tests of child processes and their cores."""
