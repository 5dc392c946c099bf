"""Telling penguins apart: what the steps of the example pipeline share."""
