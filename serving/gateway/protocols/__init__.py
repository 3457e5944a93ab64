"""The protocols that clients speak: what of a request is read, what is an answer, and where it tells what it used."""
