"""Training: labelled text in, a checkpoint directory out. Run as ``python -m training``."""

import artifact  # noqa: F401 - sets environment variables before the libraries that read them are imported
