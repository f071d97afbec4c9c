"""The projector: a system matrix built once, applied to all slices in one sparse product, exact transpose."""
