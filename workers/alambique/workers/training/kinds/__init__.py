"""Kinds of output: one file for each, with all that training and answering need to know of it."""
