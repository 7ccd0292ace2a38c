"""Unit tests of texts, client and load generator."""
