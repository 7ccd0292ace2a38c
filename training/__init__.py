"""Training: labelled text in, a checkpoint directory out. Run as ``python -m training``."""

import artifact  # noqa: F401 - sets what libraries read from the environment when they are first imported
