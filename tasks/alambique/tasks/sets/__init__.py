"""The data sets of each task: where they are, how they are read, what they hold."""
