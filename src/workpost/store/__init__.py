"""Store: rows, contents, keys and announcements. The only floor that speaks SQL."""
