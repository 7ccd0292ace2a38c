"""``python -m benchmarks.baselines NAME MODEL --port PORT``: serve one of the baselines."""

import argparse
import importlib
from pathlib import Path
from typing import Final

import uvicorn

from benchmarks.baselines.app import Predict, create_app

# Name -> (module, function). Only the one that is served is imported: none spends time on another's imports.
_BASELINES: Final = {
    "replaced": ("replaced", "load"),
    "transformers": ("pipelines", "load_transformers"),
    "optimum": ("pipelines", "load_optimum"),
    "handwritten": ("handwritten", "load"),
}


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baselines", description=__doc__)
    parser.add_argument("name", choices=_BASELINES)
    parser.add_argument("model", type=Path)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    module, function = _BASELINES[options.name]
    predict: Predict = getattr(importlib.import_module(f"benchmarks.baselines.{module}"), function)(options.model)
    predict("A film to warm up with.")
    uvicorn.run(create_app(predict), host="127.0.0.1", port=options.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
