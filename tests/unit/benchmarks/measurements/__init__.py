"""Unit tests of the measurements, with servers and engines that are fakes."""
