"""Integration tests of the shared contract with the real runtime."""
