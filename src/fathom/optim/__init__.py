"""Update rules and schedules, found by name."""

from fathom.optim.optimizers import create
from fathom.optim.optimizers import names as optimizer_names
from fathom.optim.schedules import Schedule
from fathom.optim.schedules import create as create_schedule
from fathom.optim.schedules import names as schedule_names

__all__ = ["Schedule", "create", "create_schedule", "optimizer_names", "schedule_names"]
