"""Fast tests of one module each, without the network, processes or real models."""
