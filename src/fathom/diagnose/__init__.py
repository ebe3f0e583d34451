"""Why a model answers as it does: filters, feature maps, Grad-CAM, worst errors. It knows models by `Network` only."""

from fathom.diagnose.answers import Answers, Mistake, ask, one_of_each
from fathom.diagnose.filters import first_filters
from fathom.diagnose.grad_cam import GradCam, enlarged, grad_cam
from fathom.diagnose.maps import Maps, feature_maps, find_layer, map_layers
from fathom.diagnose.network import Network

__all__ = [
    "Answers",
    "GradCam",
    "Maps",
    "Mistake",
    "Network",
    "ask",
    "enlarged",
    "feature_maps",
    "find_layer",
    "first_filters",
    "grad_cam",
    "map_layers",
    "one_of_each",
]
