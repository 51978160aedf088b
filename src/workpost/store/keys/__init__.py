"""Keys: sealing, the key store apart from the data, the hierarchy, rotation and shredding.

The hierarchy, from the top: a master (the local key ring or a KMS key) wraps the system key and
each organization's data key; an organization's data key wraps the mailbox keys and tag keys; a
mailbox key wraps content keys. Scopes are `system`, `org/<id>`, `mailbox/<id>`,
`tag/<id>` and `token/<purpose>`.
"""
