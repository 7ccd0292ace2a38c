"""Tests of where a classifier comes from."""
