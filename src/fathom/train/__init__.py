"""One short loop; events, checkpoints, precision and the settings that all recipes share as small files beside it."""

from fathom.train.bar import Bar
from fathom.train.checkpoints import Checkpoints, load_checkpoint, save_checkpoint
from fathom.train.config import TrainConfig
from fathom.train.environment import environment
from fathom.train.events import Listener, Progress, Stateful
from fathom.train.experiment import experiment, load_model
from fathom.train.listeners import EarlyStopping, JsonLines, TensorBoard
from fathom.train.loop import fit
from fathom.train.profile import Profile
from fathom.train.supervised import Supervised, evaluate, supervised

__all__ = [
    "Bar",
    "Checkpoints",
    "EarlyStopping",
    "JsonLines",
    "Listener",
    "Profile",
    "Progress",
    "Stateful",
    "Supervised",
    "TensorBoard",
    "TrainConfig",
    "environment",
    "evaluate",
    "experiment",
    "fit",
    "load_checkpoint",
    "load_model",
    "save_checkpoint",
    "supervised",
]
