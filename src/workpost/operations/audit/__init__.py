"""The record of API calls: kept for 90 days, read by `workpost audit`."""
