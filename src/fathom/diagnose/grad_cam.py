"""Grad-CAM: where in a picture the evidence for a class lies.

Source: Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017, "Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization", arXiv 1610.02391, section 3.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fathom.diagnose.maps import find_layer
from fathom.diagnose.network import Network, listening
from fathom.errors import InputError, ShapeError
from fathom.layers.evaluating import evaluating


@dataclass(frozen=True)
class GradCam:
    """Where the evidence lies, and for which class.

    Args:
        heat: `(examples, rows, columns)`, 0 and more, in units of the logit per unit of a map; `enlarged` brings it to
            the size of the picture.
        classes: `(examples,)` of int: the classes that are explained.
        logits: `(examples, classes)`: what the model answers.
        layer: whose maps these are.
    """

    heat: Tensor
    classes: Tensor
    logits: Tensor
    layer: str


def grad_cam(model: Network, images: Tensor, classes: Tensor | None = None, layer: str = "") -> GradCam:
    """The class-discriminative localisation map of each picture.

        α_k = mean over i, j of ∂y_c / ∂A_k[i, j]              (equation 1)
        heat = ReLU(Σ_k α_k A_k)                               (equation 2)

    where A_k are the maps of a layer and y_c is the logit of class c.

    Args:
        model: runs in evaluation mode; its parameters get no gradient.
        images: `(examples, channels, height, width)`.
        classes: `(examples,)` of int, the classes to explain; None takes those that the model answers.
        layer: as in `find_layer`, with its errors.

    Raises:
        ShapeError: `classes` are not as many as `images`.
    """
    if classes is not None and classes.shape != images.shape[:1]:
        raise ShapeError(f"classes: expected ({len(images)},), one for each image, got {tuple(classes.shape)}")
    name = find_layer(model, images, layer).name
    leaf: list[Tensor] = []

    def cut(at: str, module: Any, output: Tensor) -> Tensor | None:
        if at != name:
            return None
        leaf[:] = [output.detach().requires_grad_()]
        return leaf[0].clone()  # what comes next may work in place

    with torch.inference_mode(False), torch.enable_grad(), evaluating(model), listening(model, cut):
        logits = model(images)
        chosen = logits.argmax(dim=1) if classes is None else classes.to(logits.device)
        score = logits.gather(1, chosen[:, None]).sum()  # no example sees another, so each gets its own gradient
    if score.requires_grad:
        (gradient,) = torch.autograd.grad(score, leaf, allow_unused=True)
    if not score.requires_grad or gradient is None:
        raise InputError(f"layer {name!r}: expected one that the answer depends on, but it does not; give another")
    maps, alpha = leaf[0].detach(), gradient.mean(dim=(2, 3), keepdim=True)  # alpha: (examples, channels, 1, 1)
    return GradCam((alpha * maps).sum(dim=1).relu(), chosen, logits.detach(), name)


def enlarged(heat: Tensor, size: tuple[int, int]) -> Tensor:
    """`(examples, rows, columns)` to `(examples, height, width)` by bilinear interpolation, as in the source.

    Args:
        size: height and width in pixels.
    """
    return functional.interpolate(heat[:, None], size, mode="bilinear", align_corners=False)[:, 0]
