"""Pictures of chromatograms, for people: time in minutes."""
