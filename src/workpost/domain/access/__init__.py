"""Every yes or no in one place: who may do what, and why."""
