"""Traces in plain text: tables of any delimiter, and the exports of three data systems."""
