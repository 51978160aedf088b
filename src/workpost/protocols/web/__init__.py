"""What web servers are asked for by others than the API's callers."""
