"""Baselines: what one would serve instead, each as short as people write it.

``python -m benchmarks.baselines NAME MODEL --port PORT`` starts one. All answer ``POST /predict {"text": …}`` with
``sentiment`` and ``probabilities``, from plain functions that FastAPI runs on its threads.
"""
