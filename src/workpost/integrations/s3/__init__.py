"""S3: a bucket as a store of objects by name."""
