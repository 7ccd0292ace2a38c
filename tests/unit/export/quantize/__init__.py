"""Unit tests of export/quantize."""
