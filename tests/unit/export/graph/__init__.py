"""Unit tests of export/graph."""
