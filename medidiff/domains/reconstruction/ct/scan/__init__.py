"""What was measured: rays and pixels in mm, attenuation, a measurement with its statistical weights."""
