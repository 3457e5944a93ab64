"""The edge to KServe: a predictor that answers routing requests, and the server around it."""
