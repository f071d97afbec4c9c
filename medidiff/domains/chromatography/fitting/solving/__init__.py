"""The sum of squares and its minimum: shapes, variable projection, Levenberg-Marquardt."""
