"""Node: builds everything from settings, starts and stops processes and listeners."""
