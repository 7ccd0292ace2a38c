"""Integration tests of export: real conversions and the real server."""
