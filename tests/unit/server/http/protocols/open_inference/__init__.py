"""Unit tests of the Open Inference Protocol."""
