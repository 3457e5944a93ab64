"""Pages for people: one self-contained HTML file each, without scripts, network or fonts of its own."""
