"""Functions that organizations name by their ARN: invoked in the name of an organization."""
