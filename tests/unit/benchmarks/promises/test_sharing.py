"""The largest batches that a server permits."""

import json

from benchmarks.load.corpus import choose_texts
from benchmarks.promises.sharing import largest_batches


def test_the_batches_are_as_large_as_permitted_and_all_different() -> None:
    """Each has 20 texts of 100,000 characters in less than 2 MiB; equal texts would be computed once."""
    batches = largest_batches(choose_texts(None, 0), 2)
    texts = [text for batch in batches for text in batch.subject]
    assert 40 == len(set(texts))
    assert {100_000} == {len(text) for text in texts}
    bodies = [batch.payload.partition(b"\r\n\r\n")[2] for batch in batches]
    assert [20, 20] == [len(json.loads(body)["texts"]) for body in bodies]
    assert all(len(body) <= 2_097_152 for body in bodies)
