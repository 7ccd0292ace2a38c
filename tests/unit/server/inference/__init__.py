"""Unit tests of server/inference, mirroring its modules."""
