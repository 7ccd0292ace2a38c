"""Unit tests of training: the checkpoint directory."""
