"""What it costs: the bill, the break-even, the choice. Pure: prices come in as a book."""
