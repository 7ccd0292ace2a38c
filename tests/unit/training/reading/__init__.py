"""The reader of data files."""
