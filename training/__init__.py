"""Training: labelled text in, a checkpoint directory out. Run as ``python -m training``."""
