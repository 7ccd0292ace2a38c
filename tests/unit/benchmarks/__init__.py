"""Unit tests of benchmarks, mirroring its folders."""
