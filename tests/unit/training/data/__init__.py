"""Unit tests of training: labelled text."""
