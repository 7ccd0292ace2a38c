"""Tests of several modules together, with the real runtime."""
