"""Unit tests of the page's routes and files."""
