"""Unit tests of the server, mirroring its modules."""
