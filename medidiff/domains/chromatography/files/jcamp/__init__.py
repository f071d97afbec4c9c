"""JCAMP-DX: labelled records of text, with ordinates that may be packed in ASDF."""
