"""Mail on its way out: where it goes, how safely, and what became of each recipient."""
