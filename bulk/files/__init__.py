"""Files: rows of data files in, scored files out, here or in an object store."""
