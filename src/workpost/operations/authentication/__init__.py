"""Who a message from outside comes from: the checks that ask the DNS."""
