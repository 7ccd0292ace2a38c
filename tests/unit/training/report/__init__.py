"""Unit tests of training: the report."""
