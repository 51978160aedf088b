"""Certificates that the server fetches and renews by itself."""
