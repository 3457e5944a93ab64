"""What measures a candidate: the frozen aptitude test, its cards, and the capability instructions made of them."""
