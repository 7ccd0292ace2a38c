"""Unit tests of reports, published results and costs."""
