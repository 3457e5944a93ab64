"""KFP components: one verb a file, each a few lines that call the library."""
