"""What the engines that march in time or along the column are made of."""
