"""The words of the grammar: names of people, places, institutions and books."""
