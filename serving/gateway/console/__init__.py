"""The console: what a gateway serves and what came of it, as pages for a person."""
