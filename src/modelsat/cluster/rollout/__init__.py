"""Promotion on KServe: a plan as a pure function, the evidence it waits for, and the code that carries it out."""
