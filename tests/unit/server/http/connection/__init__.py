"""Unit tests of the HTTP side, with a classifier that is a fake."""
