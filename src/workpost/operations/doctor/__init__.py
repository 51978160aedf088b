"""`workpost doctor`: is everything around the server as it has to be? Looks, and changes nothing."""
