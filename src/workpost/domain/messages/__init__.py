"""Messages: what lies in folders: delivery, flags, copies, removal, reading."""
