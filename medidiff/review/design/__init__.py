"""What a study is before anyone reads: its protocol, the order of each reader, its frozen images."""
