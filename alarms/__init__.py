"""What watches the data and tells someone."""
