"""Training a CT prior: slices and patches by person, the loop's own iterates, facts for the card."""
