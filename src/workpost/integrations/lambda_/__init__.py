"""Lambda functions: one interface, what stands behind an ARN is the operator's to say."""
