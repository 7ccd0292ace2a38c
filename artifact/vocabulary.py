"""The vocabulary: whether the model has an embedding for every token id that the tokenizer can make.

A runtime fails on an id beyond the table of embeddings, and only when a text has it. So it is looked for at start.
"""

from artifact.manifest import ArtifactError
from artifact.runtime import Batch, Engine
from artifact.tokenization import Tokenization


def check_token_ids(tokenization: Tokenization, engine: Engine, pad_token_id: int) -> None:
    """Run the largest token id.

    Args:
        tokenization: makes the ids.
        engine: looks them up; it must run the padding.
        pad_token_id: the id that fills shorter rows.

    Raises:
        ArtifactError: if the engine fails on it; the message has the largest id and the size of the table.
    """
    largest = tokenization.largest_id
    if _runs(engine, largest):
        return
    known, beyond = pad_token_id, largest
    while beyond - known > 1:
        middle = (known + beyond) // 2
        known, beyond = (middle, beyond) if _runs(engine, middle) else (known, middle)
    raise ArtifactError(
        f"the tokenizer makes token ids up to {largest}, and the model has embeddings for {beyond}, up to "
        f"{beyond - 1}: texts with others would fail; export it with the tokenizer that it was trained with"
    )


def _runs(engine: Engine, token_id: int) -> bool:
    try:
        engine.run(Batch.of([[token_id]], token_id))
    except Exception:
        return False
    return True
