"""Unit tests of classifiers with random weights and of their figures."""
