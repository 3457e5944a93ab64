"""Fine-tuning as published: groups within one candidate, connector first, then everything."""
