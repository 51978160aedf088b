"""The S3 door: the buckets that are mapped for an account, as its functions see them."""
