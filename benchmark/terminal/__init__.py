"""What people read in a terminal: progress, tables, live lines."""
