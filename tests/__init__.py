"""Tests: unit, integration and e2e mirror the packages; support holds builders and fakes."""
