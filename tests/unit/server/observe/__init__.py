"""Unit tests of server/observe, mirroring its modules."""
