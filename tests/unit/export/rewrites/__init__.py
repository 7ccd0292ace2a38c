"""Unit tests of export/rewrites."""
