"""The report of a run: figures, pictures and a page. ``python -m training.report`` writes it again."""
