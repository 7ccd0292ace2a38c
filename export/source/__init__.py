"""Source: a classifier from the hub, a directory or an adapter, and what is refused before any work."""
