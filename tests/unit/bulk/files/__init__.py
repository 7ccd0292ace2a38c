"""Unit tests of bulk/files, mirroring its modules."""
