"""A whole sequence as one operation: the same numbers as step by step, with the derivative written by hand.

Autograd through the steps keeps some ten small tensors a step and adds the gradient of the weights up step by step. By
hand, what can be done for all steps at once is done so: the product with the input, the derivatives of the gates, and
the gradient of each weight, which is one matmul over all steps and examples. In the loop back there remain the product
with the recurrent weights and the few multiplications that depend on it.

The derivative by hand cannot itself be derived. When a second derivative is wanted (`create_graph=True`) the backward
pass goes through the steps again and lets autograd record them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from fathom.ops.recurrence import gru_by_steps, lstm_by_steps, rnn_by_steps

Gradients = tuple[Tensor | None, ...]


def rnn(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    nonlinearity: str = "tanh",
) -> tuple[Tensor, Tensor]:
    """`recurrence.rnn_by_steps` as one operation; arguments and results are the same."""
    if torch.is_autocast_enabled(x.device.type):  # autocast chooses a dtype for each operation, so leave it them
        return rnn_by_steps(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity)
    outputs = _Rnn.apply(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity)
    return outputs, outputs[-1]


def gru(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`recurrence.gru_by_steps`, reset after the matmul, as one operation; arguments and results are the same."""
    if torch.is_autocast_enabled(x.device.type):
        return gru_by_steps(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    outputs = _Gru.apply(x, h, weight_ih, weight_hh, bias_ih, bias_hh)
    return outputs, outputs[-1]


def lstm(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """`recurrence.lstm_by_steps` as one operation; arguments and results are the same."""
    if torch.is_autocast_enabled(x.device.type):
        return lstm_by_steps(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh)
    outputs, cell = _Lstm.apply(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh)
    return outputs, outputs[-1], cell


class _Rnn(Function):
    """h' = tanh(a), or ReLU of it, with a = W x + b + U h + c."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
        nonlinearity: str,
    ) -> Tensor:
        activate = torch.tanh_ if nonlinearity == "tanh" else torch.relu_
        outputs = _project(x, weight_ih, bias_ih, bias_hh)
        recurrent, before = _turned(weight_hh), h
        for now in outputs.unbind(0):
            before = activate(now.addmm_(before, recurrent))
        ctx.nonlinearity = nonlinearity
        ctx.save_for_backward(x, h, weight_ih, weight_hh, bias_ih, bias_hh, outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        *inputs, outputs = ctx.saved_tensors
        if torch.is_grad_enabled():
            by_steps = partial(rnn_by_steps, nonlinearity=ctx.nonlinearity)
            return (*_by_steps(lambda *given: by_steps(*given)[0], inputs, gradient), None)
        x, h, weight_ih, weight_hh, *_ = inputs
        da, dh = torch.empty_like(gradient, memory_format=torch.contiguous_format), None
        for y, d, given in _backwards(outputs, da, gradient):
            dh = given if dh is None else given + dh
            if ctx.nonlinearity == "tanh":
                torch.mul(y, dh, out=d)
                torch.addcmul(dh, d, y, value=-1, out=d)  # (1 - y²) dh
            else:
                torch.mul(y > 0, dh, out=d)
            dh = d @ weight_hh
        dx, dweight_ih, dbias = _of_projection(ctx, da, x, weight_ih, first_bias=4)
        dweight_hh = _of_weight(da, _delayed(h, outputs)) if ctx.needs_input_grad[3] else None
        return dx, dh, dweight_ih, dweight_hh, dbias, dbias, None


class _Gru(Function):
    """h' = n + z (h - n) with r, z = sigmoid(...), n = tanh(W x + b + r u) and u = U h + c."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
    ) -> Tensor:
        size = h.shape[-1]
        gates = _project(x, weight_ih, bias_ih)  # becomes r, z and n, side by side
        reset_update, candidate = (_turned(weight) for weight in weight_hh.split((2 * size, size)))
        outputs, u = x.new_empty(len(x), *h.shape), x.new_zeros(len(x), *h.shape)
        if bias_hh is not None:
            gates[..., : 2 * size] += bias_hh[: 2 * size]
            u += bias_hh[2 * size :]
        before, both = h, gates[..., : 2 * size]
        for rz, r, z, n, u_now, now in _forwards(both, *gates.chunk(3, dim=-1), u, outputs):
            rz.addmm_(before, reset_update).sigmoid_()
            n.addcmul_(r, u_now.addmm_(before, candidate)).tanh_()
            before = torch.lerp(n, before, z, out=now)
        ctx.save_for_backward(x, h, weight_ih, weight_hh, bias_ih, bias_hh, outputs, gates, u)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        *inputs, outputs, gates, u = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_steps(lambda *given: gru_by_steps(*given)[0], inputs, gradient)
        x, h, weight_ih, weight_hh, *_ = inputs
        hidden = _delayed(h, outputs)
        d, dn_all = torch.empty_like(gates), torch.empty_like(u)  # of the sums inside r, z, and of u; inside n
        states = (*gates.chunk(3, dim=-1), u, hidden)
        dh = None
        for r, z, n, u_now, before, dr, dz, du, d_now, dn, given in _backwards(
            *states, *d.chunk(3, dim=-1), d, dn_all, gradient
        ):
            dh = given if dh is None else dh.add_(given)
            new = dh - dh * z  # the gradient of n
            torch.sub(before, n, out=dz).mul_(z).mul_(new)
            torch.mul(new, n, out=dn)
            torch.addcmul(new, dn, n, value=-1, out=dn)  # (1 - n²) of it
            torch.mul(dn, r, out=du)
            torch.mul(du, u_now, out=dr)
            dr.addcmul_(dr, r, value=-1)  # r (1 - r) u dn
            dh = torch.mul(dh, z).addmm_(d_now, weight_hh)
        dweight_hh = _of_weight(d, hidden) if ctx.needs_input_grad[3] else None
        dbias_hh = d.sum((0, 1)) if ctx.needs_input_grad[5] else None
        d.chunk(3, dim=-1)[2].copy_(dn_all)  # the input meets n itself, not u
        dx, dweight_ih, dbias_ih = _of_projection(ctx, d, x, weight_ih, first_bias=4)
        return dx, dh, dweight_ih, dweight_hh, dbias_ih, dbias_hh


class _Lstm(Function):
    """c' = f c + i g, h' = o tanh(c') with i, f, o = sigmoid(...) and g = tanh(...)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        size = h.shape[-1]
        gates = _project(x, weight_ih, bias_ih, bias_hh)  # becomes i, f, g and o, side by side
        outputs, cells = (x.new_empty(len(x), *h.shape) for _ in range(2))
        recurrent, both = _turned(weight_hh), gates[..., : 2 * size]
        before, cell = h, c
        for gate, i_f, i, f, g, o, now, cell_now in _forwards(gates, both, *gates.chunk(4, dim=-1), outputs, cells):
            gate.addmm_(before, recurrent)
            i_f.sigmoid_()
            g.tanh_()
            o.sigmoid_()
            cell = torch.mul(f, cell, out=cell_now).addcmul_(i, g)
            before = torch.tanh(cell, out=now).mul_(o)
        ctx.save_for_backward(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh, outputs, cells, gates)
        return outputs, cell.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, cell_gradient: Tensor) -> Gradients:
        *inputs, outputs, cells, gates = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_steps(lambda *given: lstm_by_steps(*given)[::2], inputs, gradient, cell_gradient)
        x, h, c, weight_ih, weight_hh, *_ = inputs
        d = torch.empty_like(gates)  # of the sums inside i, f, g and o
        i_f_g = d[..., : 3 * h.shape[-1]].unflatten(-1, (3, -1))
        states = (*gates.chunk(4, dim=-1), _delayed(c, cells), cells)
        dh, dc = None, cell_gradient.clone(memory_format=torch.contiguous_format)
        for i, f, g, o, before, now, di, df, dg, do, d_c, d_now, given in _backwards(
            *states, *d.chunk(4, dim=-1), i_f_g, d, gradient
        ):
            dh = given if dh is None else dh.add_(given)
            tanh_c = now.tanh()
            torch.mul(o, tanh_c, out=do)
            dc.addcmul_(dh, torch.addcmul(o, do, tanh_c, value=-1))  # o (1 - tanh² c)
            do.addcmul_(do, o, value=-1).mul_(dh)  # o (1 - o) tanh(c) dh
            torch.mul(i, g, out=di)
            torch.addcmul(i, di, g, value=-1, out=dg)  # i (1 - g²)
            di.addcmul_(di, i, value=-1)  # i (1 - i) g
            torch.mul(f, before, out=df)
            df.addcmul_(df, f, value=-1)  # f (1 - f) c
            d_c.mul_(dc.unsqueeze(1))
            dc.mul_(f)
            dh = d_now @ weight_hh
        dx, dweight_ih, dbias = _of_projection(ctx, d, x, weight_ih, first_bias=5)
        dweight_hh = _of_weight(d, _delayed(h, outputs)) if ctx.needs_input_grad[4] else None
        return dx, dh, dc, dweight_ih, dweight_hh, dbias, dbias


def _forwards(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The steps of all tensors side by side, from the first to the last; views, made at once."""
    return zip(*(x.unbind(0) for x in tensors), strict=True)


def _backwards(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The steps of all tensors side by side, from the last to the first."""
    return zip(*(reversed(x.unbind(0)) for x in tensors), strict=True)


def _delayed(start: Tensor, states: Tensor) -> Tensor:
    """What each step came from: `start`, then all states but the last."""
    return torch.cat((start[None], states[:-1]))


def _turned(weight: Tensor) -> Tensor:
    """The transposed weight in the order in which a thin matmul reads it fastest; one copy for all steps."""
    return weight.mT.contiguous()


def _project(x: Tensor, weight: Tensor, *biases: Tensor | None) -> Tensor:
    """W x + the biases for all steps: `(steps, batch, gates * hidden_size)`."""
    products = x.new_empty(*x.shape[:2], len(weight))
    given = [bias for bias in biases if bias is not None]
    if given:
        torch.addmm(sum(given[1:], given[0]), x.flatten(0, 1), weight.mT, out=products.flatten(0, 1))
    else:
        torch.mm(x.flatten(0, 1), weight.mT, out=products.flatten(0, 1))
    return products


def _of_weight(d: Tensor, x: Tensor) -> Tensor:
    """The gradient of a weight: one matmul over all steps and examples."""
    return d.flatten(0, 1).mT @ x.flatten(0, 1)


def _of_projection(ctx: Any, d: Tensor, x: Tensor, weight_ih: Tensor, first_bias: int) -> Gradients:
    """The gradients of `_project`'s input, weight and bias, as far as they are wanted."""
    wanted = ctx.needs_input_grad
    dx = (d.flatten(0, 1) @ weight_ih).view(x.shape) if wanted[0] else None
    dweight = _of_weight(d, x) if wanted[first_bias - 2] else None
    dbias = d.sum((0, 1)) if wanted[first_bias] or wanted[first_bias + 1] else None
    return dx, dweight, dbias


def _by_steps(run: Callable[..., Any], inputs: list[Tensor | None], *gradients: Tensor) -> Gradients:
    """The gradients of all inputs, recorded so that they can be derived in their turn."""
    own = [x.view_as(x) if x is not None and x.requires_grad else x for x in inputs]  # one tensor may come twice
    wanted = [x for x in own if x is not None and x.requires_grad]
    found = iter(torch.autograd.grad(run(*own), wanted, gradients, create_graph=True, allow_unused=True))
    return tuple(next(found) if x is not None and x.requires_grad else None for x in own)
