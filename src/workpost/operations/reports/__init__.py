"""What other domains are told once a day: counted as it happens, told when the day is over."""
