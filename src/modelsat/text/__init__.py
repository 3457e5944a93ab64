"""What a router reads: a prompt rendered to text, cut to a window, and embedded."""
