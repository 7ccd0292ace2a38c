"""Tests of what is handed to operators."""
