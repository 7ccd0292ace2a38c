"""Unit tests of bulk/show, mirroring its modules."""
