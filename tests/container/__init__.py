"""Tests of the image, built and run by a real container engine."""
