"""Update rules and schedules, found by name."""

from fathom.optim.adadelta import Adadelta
from fathom.optim.adagrad import Adagrad
from fathom.optim.adam import Adam
from fathom.optim.adamw import AdamW
from fathom.optim.averaging import WeightAverage, ema, swa, update_statistics
from fathom.optim.averaging import create as create_average
from fathom.optim.averaging import names as average_names
from fathom.optim.clipping import clip_grad_norm_, clip_grad_value_
from fathom.optim.lamb import LAMB
from fathom.optim.lars import LARS
from fathom.optim.optimizers import check, create, resolve
from fathom.optim.optimizers import names as optimizer_names
from fathom.optim.rmsprop import RMSprop
from fathom.optim.schedules import Plateau, Schedule, noam
from fathom.optim.schedules import create as create_schedule
from fathom.optim.schedules import names as schedule_names
from fathom.optim.sgd import SGD
from fathom.optim.yogi import Yogi

__all__ = [
    "LAMB",
    "LARS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Plateau",
    "RMSprop",
    "Schedule",
    "WeightAverage",
    "Yogi",
    "average_names",
    "check",
    "clip_grad_norm_",
    "clip_grad_value_",
    "create",
    "create_average",
    "create_schedule",
    "ema",
    "noam",
    "optimizer_names",
    "resolve",
    "schedule_names",
    "swa",
    "update_statistics",
]
