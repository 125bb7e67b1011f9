"""A grammar of Spanish facts and news: questions, tagged sentences and running text from a seed."""
