"""Mail flow: receive, route, deliver or queue. `pipeline.py` reads from top to bottom."""
