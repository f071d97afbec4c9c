"""JCAMP-DX: labelled records of text, ordinates packed in ASDF (McDonald and Wilks 1988, Appl Spectrosc 42:151)."""
