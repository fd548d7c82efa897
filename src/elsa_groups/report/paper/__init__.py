"""Text for a paper, from the record of a groups run and the rows of its summary."""
