"""What was made of what: across tasks and runs, by what the engine recorded and by content."""
