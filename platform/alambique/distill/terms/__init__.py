"""The terms of the objective that compare layers: a module for each, and the table of them."""
