"""Unit tests of export/first_stage."""
