"""Model-SAT with all candidates in one pass: the network, the capability encoder, and the router around them."""
