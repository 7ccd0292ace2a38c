"""Unit tests of the baselines."""
