"""Texts that share a passage are found by runs of words."""

from training.data.overlap import fragments, nested


def test_parts_and_wholes_are_found() -> None:
    """A row that is part of a held-out text, or contains one, is found; case does not matter."""
    train = ["A b c d", "z a b c d e z", "b c d e f", "a b c d e"]
    assert {0, 1, 3} == nested(train, ["a b c d e"])


def test_short_texts_are_not_compared() -> None:
    """Three words occur in other texts by chance and are not counted."""
    assert set() == nested(["a b c"], ["a b c d e"])
    assert set() == nested(["I say it's not bad at all"], ["it's not bad"])


def test_words_must_stand_in_a_row() -> None:
    """The same words with another word between them are a different text."""
    assert set() == nested(["a b c e"], ["a b c d e"])


def test_marks_do_not_tell_texts_apart() -> None:
    """Punctuation at the ends of words does not matter: a phrase is found although its sentence has a full stop."""
    assert {0} == nested(["is not bad at all", "it is bad, not at all"], ["It is not bad at all."])


def test_fragments_are_parts_of_other_texts() -> None:
    """The longest of nested texts is no fragment; of two that differ only in punctuation, the longer one."""
    texts = ["it is not bad at all", "It is not bad at all.", "is not bad at all", "a film of its own kind", "not bad"]
    assert {0, 2} == fragments(texts)
    assert {0} == fragments(["one two three four", "One two three four"])
