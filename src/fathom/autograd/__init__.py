"""Automatic differentiation on NumPy: a tensor, a table of operations with their derivatives, layers, optimisers."""

import numpy as np

from fathom.autograd import apply as _apply  # fills the table's recorded reading
from fathom.autograd.checkpointing import checkpoint
from fathom.autograd.creation import (
    arange,
    as_tensor,
    cat,
    default_generator,
    einsum,
    empty,
    exp,
    eye,
    from_numpy,
    full,
    linspace,
    log,
    manual_seed,
    matmul,
    maximum,
    minimum,
    ones,
    ones_like,
    pad,
    rand,
    randint,
    randn,
    sigmoid,
    sqrt,
    stack,
    tanh,
    tensor,
    tril,
    triu,
    where,
    zeros,
    zeros_like,
)
from fathom.autograd.drawing import draw_svg, draw_text
from fathom.autograd.errors import AnomalyError, DtypeError, GradientError, ShapeError
from fathom.autograd.graph import Graph, graph_of, trace
from fathom.autograd.memory import MemoryReport, memory_report
from fathom.autograd.reverse import grad
from fathom.autograd.state import detect_anomaly, enable_grad, is_grad_enabled, no_grad
from fathom.autograd.table import TABLE
from fathom.autograd.tensor import Tensor
from fathom.autograd.transforms import hessian, hvp, jacobian, jvp, vjp

float32 = np.float32
float64 = np.float64
int64 = np.int64
assert _apply
__all__ = [
    "TABLE",
    "AnomalyError",
    "DtypeError",
    "GradientError",
    "Graph",
    "MemoryReport",
    "ShapeError",
    "Tensor",
    "arange",
    "as_tensor",
    "cat",
    "checkpoint",
    "default_generator",
    "detect_anomaly",
    "draw_svg",
    "draw_text",
    "einsum",
    "empty",
    "enable_grad",
    "exp",
    "eye",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "grad",
    "graph_of",
    "hessian",
    "hvp",
    "int64",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "linspace",
    "log",
    "manual_seed",
    "matmul",
    "maximum",
    "memory_report",
    "minimum",
    "no_grad",
    "ones",
    "ones_like",
    "pad",
    "rand",
    "randint",
    "randn",
    "sigmoid",
    "sqrt",
    "stack",
    "tanh",
    "tensor",
    "trace",
    "tril",
    "triu",
    "vjp",
    "where",
    "zeros",
    "zeros_like",
]
