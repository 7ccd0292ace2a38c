"""Schemas: what a body must look like."""

import pytest
from pydantic import ValidationError

from server.http.protocols.native import PredictBatchRequest, PredictRequest


def test_a_batch_is_refused_at_its_first_wrong_text() -> None:
    """A million empty texts cost one error and not a million: collecting them would hold up everyone."""
    with pytest.raises(ValidationError) as caught:
        PredictBatchRequest.model_validate({"texts": ["good", *[""] * 1000]})
    assert [("texts", 1)] == [error["loc"] for error in caught.value.errors()]


def test_a_text_is_kept_as_it_was_sent() -> None:
    """Nothing is trimmed or normalized before the tokenizer sees it."""
    text = "  go\u0301od \n"
    assert text == PredictRequest(text=text).text


def test_schemas_show_an_example() -> None:
    """The OpenAPI document can show a body that works."""
    for model in (PredictRequest, PredictBatchRequest):
        (example,) = model.model_json_schema()["examples"]
        model.model_validate(example)
