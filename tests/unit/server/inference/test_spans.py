"""Spans: sentences and words of any language, as places in the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact.blank import is_blank
from server.inference.spans import By, Span, find_spans, leave_out


def parts(text: str, by: By) -> list[str]:
    """Return the parts of a text."""
    return [text[start:stop] for start, stop in find_spans(text, by)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A good, bad film!!", ["A", "good,", "bad", "film!!"]),
        ("Don't pay 3.14 or 1,000 in the U.S.", ["Don't", "pay", "3.14", "or", "1,000", "in", "the", "U.S."]),
        ('good(bad) "x" --- :)', ["good", "(bad)", '"x"', "---", ":)"]),
        ("state-of-the-art", ["state-", "of-", "the-", "art"]),
        ("हिन्दी में अच्छा है।", ["हिन्दी", "में", "अच्छा", "है।"]),
        ("电影很好。我", ["电", "影", "很", "好。", "我"]),
        ("これは", ["こ", "れ", "は"]),
        ("กินข้าว", ["กิ", "น", "ข้", "า", "ว"]),
        ("می\u200cخو خوب", ["می\u200cخو", "خوب"]),
        ("e\u0301te\u0301 cafe\u0301", ["e\u0301te\u0301", "cafe\u0301"]),
        ("👨\u200d👩\u200d👧 fine👍🏽👍", ["👨\u200d👩\u200d👧", "fine", "👍🏽", "👍"]),
        ("🇩🇪🇫🇷 1\ufe0f\u20e3!", ["🇩🇪", "🇫🇷", "1\ufe0f\u20e3!"]),
    ],
)
def test_a_text_is_cut_into_words(text: str, words: list[str]) -> None:
    """Punctuation stays with its word, an emoji sequence is whole, an ideograph is a word."""
    assert words == parts(text, "word")


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Fine cast. dull plot! why? No.", ["Fine cast.", "dull plot!", "why?", "No."]),
        ("Mr. Smith saw J. R. Ewing in the U.S. Army, e.g. Bob. Nice.", [0, "Nice."]),
        ("It cost 3.5 Mio. dollars", ["It cost 3.5 Mio.", "dollars"]),
        ("1. First item. 2. Second item.", ["1. First item.", "2. Second item."]),
        ("In 1999. Then.", ["In 1999.", "Then."]),
        ('"Stop!" he said. “Yes.” Then.', ['"Stop!" he said.', "“Yes.”", "Then."]),
        ("Wait... what? So…", ["Wait... what?", "So…"]),
        ("第一句。第二句。。「第三句。」第四", ["第一句。", "第二句。。", "「第三句。」", "第四"]),
        ("दूसरा। तीसरा।", ["दूसरा।", "तीसरा।"]),
        ("One line\nAnother\n  that goes on\n\nlast ", ["One line", "Another\n  that goes on", "last"]),
        ("  Only one.  \u200b ", ["Only one.  \u200b"]),
        ("no end", ["no end"]),
    ],
)
def test_a_text_is_cut_into_sentences(text: str, sentences: list[str | int]) -> None:
    """Short forms, numbers and decimals end none; line breaks and the stops of other scripts do."""
    cut = parts(text, "sentence")
    assert sentences == [0 if each == 0 else part for each, part in zip(sentences, cut, strict=True)]


ANY = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from(" .!?\n。'\"1aA\u200b\u200d\ufe0f👍🇩"), max_size=60
)


@given(ANY.filter(lambda text: not is_blank(text)), st.sampled_from(["sentence", "word"]))
def test_parts_cover_a_text_in_order(text: str, by: By) -> None:
    """No part is empty or overlaps another, and only white space is in none of them."""
    spans = list(find_spans(text, by))
    places = [0, *(place for span in spans for place in span), len(text)]
    assert sorted(places) == places
    assert all(span.start < span.stop for span in spans)
    assert "" == "".join(text[stop:start] for stop, start in zip(places[::2], places[1::2], strict=True)).strip()


@pytest.mark.parametrize(
    ("text", "part", "left"),
    [
        ("A good film.", "good", "A film."),
        ("A good film.", "A", "good film."),
        ("A good film.", "film.", "A good"),
        ("One.\nTwo.\nThree.", "Two.", "One.\nThree."),
        ("  One. Two. ", "One.", "  Two. "),
        ("good👍bad", "👍", "good bad"),
        ("很好。我", "好。", "很我"),
        ("(a)b", "(a)", "b"),
        ("all", "all", ""),
    ],
)
def test_what_is_left_has_sane_white_space(text: str, part: str, left: str) -> None:
    """No new double space, no new one at an edge, and no two words grow together."""
    start = text.index(part)
    assert left == leave_out(text, Span(start, start + len(part)))


@given(ANY.filter(lambda text: not is_blank(text)), st.data())
def test_nothing_else_is_left_out(text: str, data: st.DataObject) -> None:
    """Without white space, what is left is the text without the part."""
    span = data.draw(st.sampled_from(list(find_spans(text, "word"))))
    assert "".join((text[: span.start] + text[span.stop :]).split()) == "".join(leave_out(text, span).split())
