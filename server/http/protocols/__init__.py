"""Protocols: one module per wire format."""
