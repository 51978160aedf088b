"""The client's side of SMTP: a message to one server, and what that said about each recipient."""
