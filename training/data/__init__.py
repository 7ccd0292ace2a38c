"""Labelled text: where it comes from, and the rows that are learnt from and held out."""
