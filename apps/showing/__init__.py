"""What the pages are made of, in plain functions: data by digest, tables, charts, files to take away."""
