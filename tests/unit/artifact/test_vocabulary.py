"""The vocabulary: a tokenizer fits a model if every id that it makes has an embedding."""

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from artifact.manifest import ArtifactError
from artifact.runtime import Batch
from artifact.tokenization import Tokenization
from artifact.vocabulary import check_token_ids
from tests.support.tiny import TINY, WORDS


class Table:
    """An engine with so many embeddings."""

    def __init__(self, size: int) -> None:
        self._size = size

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Look all ids up."""
        return np.zeros((self._size, 1), np.float32)[batch.input_ids].sum(axis=1)


def tokenization(**added: int) -> Tokenization:
    """Return the tiny tokenization, with a closing token of another id."""
    tokenizer = Tokenizer.from_file(str(TINY / "tokenizer.json"))
    tokenizer.add_tokens([f"added{number}" for number in range(added.get("tokens", 0))])
    if "closing" in added:
        tokenizer.post_processor = TemplateProcessing(single="$A [END]", special_tokens=[("[END]", added["closing"])])
    return Tokenization(tokenizer, max_length=16, head_tokens=3)


def test_a_table_for_every_id_is_right() -> None:
    """Of the vocabulary, of added tokens and of special tokens; a larger table is right too."""
    check_token_ids(tokenization(), Table(len(WORDS)), 0)
    check_token_ids(tokenization(tokens=5), Table(len(WORDS) + 5), 0)
    check_token_ids(tokenization(closing=99), Table(100), 0)
    check_token_ids(tokenization(), Table(1000), 7)


@pytest.mark.parametrize("size", [1, 2, 31, 34])
def test_a_smaller_table_is_refused_with_both_sizes(size: int) -> None:
    """The message has the largest id of the tokenizer and the number of embeddings."""
    words = f"token ids up to {len(WORDS) + 2}, and the model has embeddings for {size}, up to {size - 1}: texts"
    with pytest.raises(ArtifactError, match=words):
        check_token_ids(tokenization(tokens=3), Table(size), 0)
