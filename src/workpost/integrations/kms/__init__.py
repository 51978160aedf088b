"""KMS: what wraps the topmost keys. Embedded: a local key ring. Real: any KMS endpoint."""
