"""Architectures: classifiers of other families than the default model's, with random weights."""
