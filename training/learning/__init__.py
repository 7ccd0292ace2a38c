"""The model that learns: its batches, loss, rounding and the training loop."""
