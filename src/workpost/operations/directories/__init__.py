"""Reading directories outside, again and again."""
