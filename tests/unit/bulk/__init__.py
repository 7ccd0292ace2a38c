"""Unit tests of bulk scoring, mirroring its modules."""
