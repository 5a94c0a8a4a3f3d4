"""The web front: pages for people."""
