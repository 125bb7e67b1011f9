"""Teachers and students as networks: load, cut, save; and what they cost."""
