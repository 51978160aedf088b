"""Content: canonical bytes, sealed in chunks under a key of their own, inline, as file or in S3."""
