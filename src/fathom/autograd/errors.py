"""The errors of the engine: one line each, with the operation, the shapes and what to do."""


class ShapeError(ValueError):
    """Arrays whose shapes do not fit the operation."""


class DtypeError(ValueError):
    """A kind of number that the operation has no meaning for, such as the gradient of an integer."""


class GradientError(RuntimeError):
    """A derivative that cannot be had: no graph, no seed, buffers freed, or a value changed in place."""


class AnomalyError(RuntimeError):
    """The first NaN, with the operation that made it."""
