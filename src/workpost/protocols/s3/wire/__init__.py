"""S3 on the wire: bodies in chunks, answers in XML."""
