"""The Message Flow API's work: messages in transit are read, and replaced from a bucket."""
