"""What each pipeline component calls: files in, files out."""
