"""Predicted against measured: how errors are counted, and the page ``docs/validation.md``. Run by ``validate.py``."""
