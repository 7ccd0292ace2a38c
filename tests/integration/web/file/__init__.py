"""Bulk scoring as a user runs it: real processes, real files, a real object store and a real cluster."""
