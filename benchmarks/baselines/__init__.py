"""Baselines: servers that people use instead of Verdict, each as short as they write it.

``python -m benchmarks.baselines NAME MODEL --port PORT`` starts one. All answer ``POST /predict {"text": …}`` with
``sentiment`` and ``probabilities``, from plain functions that FastAPI runs on its threads.
"""
