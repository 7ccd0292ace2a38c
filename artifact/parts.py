"""Parts of the manifest: what all of them have in common, and what it says of a first stage."""

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A piece of the manifest: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FirstStageThreshold(Part):
    """From which confidence on the first stage answers rows of some lengths; fitted on held-out texts."""

    max_tokens: int = Field(gt=0, description="of the rows that it applies to; shorter ones have their own")
    least_confidence: float = Field(ge=0, description="the graph answers below it; above 1: always")
    texts: int = Field(ge=0, description="held-out texts of these lengths")
    answered: int = Field(ge=0, description="of them, by the first stage")


class FirstStageModel(Part):
    """The linear model that may answer in place of the graph; its weights are a file of their own."""

    orders: int = Field(gt=0, le=8, description="n-grams of 1 to so many token ids")
    short_tokens: int = Field(ge=0, description="rows of at most so many tokens are short")
    graph_tokens: tuple[int, ...] = Field(description="the graph answers short rows that hold one of these token ids")
    scale: float = Field(gt=0, description="of the int8 weights")
    bias: tuple[float, ...] = Field(description="in label order")
    largest_loss: float = Field(ge=0, le=1, description="share of texts whose answer may become wrong: the user's")
    thresholds: tuple[FirstStageThreshold, ...]
