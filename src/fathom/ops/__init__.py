"""Pure functions on torch tensors, from bare tensor operations; their names and arguments are torch's."""
