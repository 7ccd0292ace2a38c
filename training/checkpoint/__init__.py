"""The checkpoint directory: what is written into it and read back."""
