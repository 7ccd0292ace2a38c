"""Promises: what the server must hold under load. ``python -m benchmarks promises NAME`` measures one.

Each is a function from a rig and an effort to findings, and contains its own bounds.
"""
