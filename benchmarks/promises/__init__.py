"""Promises: what the server must hold under load, each measured with one command.

``python -m benchmarks promises NAME`` runs one of ``PROMISES``; each is a function from a rig and an effort to
findings, and knows its own bounds.
"""
