"""What the Read page is made of: arrival, display check, cases, endings."""
