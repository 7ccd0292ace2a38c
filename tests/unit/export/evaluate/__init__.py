"""Unit tests of export/evaluate."""
