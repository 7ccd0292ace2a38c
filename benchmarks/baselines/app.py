"""The FastAPI application of all baselines: one route around one function."""

from collections.abc import Callable, Sequence

from fastapi import FastAPI
from pydantic import BaseModel

Predict = Callable[[str], Sequence[float]]
"""From a text to its probabilities, in label order."""


class Body(BaseModel):
    """One text."""

    text: str


def create_app(predict: Predict) -> FastAPI:
    """Return an application that answers with the function's result."""
    app = FastAPI()

    @app.get("/health/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/predict")
    def answer(body: Body) -> dict[str, object]:
        probabilities = list(predict(body.text))
        return {"sentiment": probabilities.index(max(probabilities)), "probabilities": probabilities}

    return app
