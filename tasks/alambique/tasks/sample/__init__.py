"""A grammar of Spanish facts and news: examples of every task, and running text, from a seed."""
