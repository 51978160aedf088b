"""CloudWatch Logs: log groups that take lines."""
