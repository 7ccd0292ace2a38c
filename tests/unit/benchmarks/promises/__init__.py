"""Unit tests of promises."""
