"""From measurement to image: FBP, total variation, fast diffusion, and the numbers they use by default."""
