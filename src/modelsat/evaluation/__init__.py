"""Is it better? Held-out outcomes, the table of routers, and the gate's verdict."""
