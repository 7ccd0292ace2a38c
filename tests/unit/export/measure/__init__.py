"""Unit tests of export/measure."""
