"""A search over students: its trials, and the students of their Pareto front. Imports no Ray."""
