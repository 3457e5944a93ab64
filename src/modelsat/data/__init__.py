"""Tables: their contract, the readers that fill them, collection, validation, splits and the catalogue."""
