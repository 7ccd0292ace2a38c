"""Unit tests of the shared contract, mirroring its modules."""
