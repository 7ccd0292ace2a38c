"""Unit tests of export/write."""
