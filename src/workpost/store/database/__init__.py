"""The two engines behind `store.read` and `store.write`."""
