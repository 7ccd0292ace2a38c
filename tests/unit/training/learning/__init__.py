"""Unit tests of training: the model that learns."""
