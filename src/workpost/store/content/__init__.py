"""Content: sealed messages inline, in files or in S3, and the sweeper of what nothing refers to."""
