"""Requests signed with AWS Signature Version 4, as all doors for AWS clients verify them."""
