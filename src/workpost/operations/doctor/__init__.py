"""`workpost doctor`: is all around the server as it has to be? Looks, and changes nothing."""
