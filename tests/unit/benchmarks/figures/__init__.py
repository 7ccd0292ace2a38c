"""Unit tests of estimates and rounds."""
