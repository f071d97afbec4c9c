"""A system as it is stored: YAML with units in its keys, plain data of a provenance, the shipped ones."""
