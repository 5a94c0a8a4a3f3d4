"""Every question anyone may ask of the store, one function each."""
