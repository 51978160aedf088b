"""What is told to log groups: mail events in the shape of WorkMail, and audit logs."""
