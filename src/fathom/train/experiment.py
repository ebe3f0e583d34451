"""One supervised experiment from settings to result: what most recipes have in common."""

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from fathom import autograd, devices, optim
from fathom.data import Batches, store
from fathom.errors import DivergedError, InputError, RunFolderError, Stopped
from fathom.records import DataUsed, Published, Result, RunFolder
from fathom.seeding import RandomStates, seed_everything
from fathom.train import engine
from fathom.train.channels_last import channels_last, follow
from fathom.train.checkpoints import Checkpoints, load_weights, restore
from fathom.train.compiled import compiled
from fathom.train.config import TrainConfig
from fathom.train.environment import environment
from fathom.train.events import Listener, Progress, Stateful
from fathom.train.listeners import EarlyStopping, JsonLines, Observed
from fathom.train.loop import Step, fit
from fathom.train.supervised import Measure, evaluate, supervised

HELD_OUT_NUMBERS = 2**18  # that are measured at once: 1 MiB of input, or a batch if that is more


class Examples(Protocol):
    """What a training needs of a dataset."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What a batch has parts of, the target last; the first axis of each is `examples`."""

    @property
    def used(self) -> DataUsed:
        """Which data these are."""

    @property
    def about(self) -> dict[str, Any]:
        """What `predict` must know of them."""

    def __len__(self) -> int:
        """Number of examples."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is learnt: how to build the model, what to minimise, what to count.

    Args:
        build: gives the model on the CPU, its weights drawn from torch's global generator.
        loss: `(outputs, target)` to the batch's mean loss.
        measures: further numbers by name, besides the loss.
        monitor: which number of an epoch's record chooses the best epoch; "" if none is better than the last.
        maximise: whether more of it is better.
        decay: weight decay, the λ in `λ/2 ||w||²`.
        inspect: numbers read from the model itself after each epoch (the norm of its weights).
        groups: splits the model's parameters into torch's parameter groups; None puts all into one.
        wrap: gives what is called in the model's place, anew for each test (`Carried`); it is saved, and hears of
            epochs. None calls the model itself.
        batches: gives the training's batches (True) or the test's from the examples and the device; None takes
            `Batches` of single examples.
        watchers: amend an epoch's record before it is logged and saved.
    """

    build: Callable[[], nn.Module]
    loss: Measure
    measures: Mapping[str, Measure]
    monitor: str = "test_loss"
    maximise: bool = False
    decay: float = 0.0
    inspect: Callable[[nn.Module], Mapping[str, float]] | None = None
    groups: Callable[[nn.Module], list[dict[str, Any]]] | None = None
    wrap: Callable[[Any], Any] | None = None
    batches: Callable[[Examples, bool, torch.device], Any] | None = None
    watchers: Sequence[Listener] = ()


def describe(train: Examples) -> dict[str, Any]:
    """What `predict` must know of the data: the shape of one example, unless the set's own words say another."""
    return {"example_shape": list(train.tensors["x"].shape[1:]), **train.about}


def experiment(
    recipe: str,
    config: TrainConfig,
    task: Task,
    train: Examples,
    test: Examples | None,
    *,
    published: Sequence[Mapping[str, Any]] = (),
    folder: RunFolder | None = None,
    listeners: Sequence[Listener] = (),
    batch_transform: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]] | None = None,
    last_epoch: int = 0,
    amend: Callable[[Result], Result] | None = None,
) -> Result:
    """Train `task` on `train`, measure it on `test` after each epoch, and give the result.

    Without `test` nothing is measured: every example that there is may be learnt from.

    With `config.average`, the test measures are those of the average as soon as there is one, and so are the choice of
    the best epoch and what is loaded later; those of the plain weights stand beside as `plain_…`.

    With a folder, the training is logged and saved there, and goes on from what is found there; without one nothing
    touches the disk.

    Args:
        recipe: its name, for the result.
        published: the source's figures, as `records.Published` takes them.
        listeners: besides those that write the folder's log and checkpoints.
        batch_transform: applied to each training batch (noise on the inputs, say); draws from torch's generator.
        last_epoch, amend: as `conduct` takes them.
    """
    device = prepare(config)
    batches, unseen = _batches(task, train, test, config, device)
    on_rung = _on_engine if config.rung == "numpy" else _on_torch
    schedule = _schedule(config, len(batches))
    model, optimizer, step, loss = on_rung(config, task, device, schedule)
    average = _average(config, model, len(batches))
    measures = {"loss": loss, **task.measures}
    state: dict[str, Stateful] = {"model": model, "optimizer": optimizer, "step": step}
    watchers: list[Listener] = [*task.watchers]
    if task.wrap is not None:
        state["carried"] = step.model
        watchers.append(step.model)
    if average is not None:
        state["average"] = average
    if isinstance(schedule, optim.Plateau):
        state["schedule"] = schedule
        watchers.append(Observed(schedule))

    inspect = task.inspect or (lambda model: {})

    def tested(which: Any, prefix: str = "test_") -> dict[str, float]:
        if unseen is None:
            return {}
        return evaluate(for_testing(task, which), unseen, measures, prefix=prefix, precision=config.precision)

    def measure() -> dict[str, float]:
        if average is None or average.count == 0:
            return {**tested(model), **inspect(model)}
        if average.statistics:
            optim.update_statistics(average.model, in_order(batches))
        return {**tested(average.model), **tested(model, "plain_"), **inspect(average.model)}

    def whole_step(batch: tuple[Tensor, ...]) -> Mapping[str, float | Tensor]:
        values = step(batch_transform(batch) if batch_transform else batch)
        if average is not None:
            average.update()
        return values

    return conduct(
        recipe,
        config,
        whole_step if average is not None or batch_transform else step,
        batches,
        state,
        train,
        evaluate=measure,
        watchers=watchers,
        monitor=task.monitor,
        maximise=task.maximise,
        published=published,
        folder=folder,
        listeners=listeners,
        last_epoch=last_epoch,
        amend=amend,
    )


def _batches(
    task: Task, train: Examples, test: Examples | None, config: TrainConfig, device: torch.device
) -> tuple[Any, Any]:
    """What is trained on, and what is measured on."""
    if task.batches is not None:
        return task.batches(train, True, device), task.batches(test, False, device) if test is not None else None
    batches = Batches(
        *train.tensors.values(),
        batch_size=config.batch_size,
        shuffle=True,
        seed=config.seed,
        device=device,
        limit=config.limit,
    )
    return batches, held_out(test, config, device) if test is not None else None


Parts = tuple[Any, Any, Any, Measure]
"""Model, optimiser, step, and the loss as a measure over torch tensors."""


def _on_torch(config: TrainConfig, task: Task, device: torch.device, schedule: optim.Schedule | None) -> Parts:
    model = task.build().to(device)
    if config.channels_last:
        channels_last(model)
    parameters = task.groups(model) if task.groups else list(model.parameters())
    options = {"weight_decay": task.decay} if task.decay else {}
    optimizer = optim.create(config.optimizer, parameters, config.lr, rung=config.rung, **options)
    if config.channels_last:
        follow(optimizer)
    called = compiled(model) if config.compile else model
    step = supervised(
        task.wrap(called) if task.wrap else called,
        task.loss,
        optimizer,
        clip=config.clip,
        clip_value=config.clip_value,
        schedule=schedule,
        precision=config.precision,
        accumulate=config.accumulate,
        measures=task.measures,
    )
    return model, optimizer, step, task.loss


def _on_engine(config: TrainConfig, task: Task, device: torch.device, schedule: optim.Schedule | None) -> Parts:
    engine.check(config.precision, str(device), config.compile, config.channels_last)
    autograd.manual_seed(config.seed)
    model = task.build()
    options = {"weight_decay": task.decay} if task.decay else {}
    optimizer = engine.optimizer(config.optimizer, model, config.lr, **options)
    step = engine.EngineStep(
        task.wrap(model) if task.wrap else model,
        task.loss,
        optimizer,
        clip=config.clip,
        clip_value=config.clip_value,
        schedule=schedule,
        accumulate=config.accumulate,
        measures=task.measures,
    )
    return engine.EngineModel(model), optimizer, step, engine.on_torch(task.loss)


def for_testing(task: Task, model: Any) -> Any:
    """What is called in the place of `model`, of any rung, when it is measured."""
    if task.wrap is None:
        return model
    return engine.EngineModel(task.wrap(model.model)) if isinstance(model, engine.EngineModel) else task.wrap(model)


def held_out(test: Examples, config: TrainConfig, device: torch.device | None = None) -> Batches:
    """The test examples in order; small ones in larger batches, for speed.

    With `limit` they are as many as so many training batches have, evenly spaced, since they may lie by classes.
    """
    fitting = HELD_OUT_NUMBERS // max(1, test.tensors["x"][0].numel())
    tensors = list(test.tensors.values())
    if measured_count(test, config) < len(test):
        tensors = [tensor[measured_places(test, config)] for tensor in tensors]
    return Batches(*tensors, batch_size=max(config.batch_size, fitting), device=device)


def spread(examples: int, count: int) -> Tensor:
    """The places of `count` examples, or of all if there are fewer, evenly spaced: of every class, if they lie so."""
    count = min(count, examples)
    return torch.arange(count) * examples // count


def measured_places(test: Sized, config: TrainConfig) -> Tensor:
    """Which of the test examples `held_out` gives, `(measured,)` of int64."""
    return spread(len(test), measured_count(test, config))


def measured_count(test: Sized, config: TrainConfig) -> int:
    """How many of the test examples `held_out` gives."""
    return min(len(test), config.limit * config.batch_size) if config.limit else len(test)


def in_order(batches: Any) -> Iterable[tuple[Tensor, ...]]:
    """One epoch of the same examples, as they lie, from `Batches` or `Streamed`, without moving these on."""
    others = copy.copy(batches)
    others.shuffle = False
    others.load_state_dict({"epoch": 0, "position": 0})
    yield from others


def prepare(config: TrainConfig) -> torch.device:
    """Set the threads, seed every generator, and give the device that `config` asks for."""
    devices.use_threads(config.threads)
    seed_everything(config.seed)
    return devices.choose(config.device)


def conduct(
    recipe: str,
    config: TrainConfig,
    step: Step,
    batches: Batches,
    state: Mapping[str, Stateful],
    train: Examples,
    *,
    evaluate: Callable[[], Mapping[str, float]],
    monitor: str = "test_loss",
    maximise: bool = False,
    published: Sequence[Mapping[str, Any]] = (),
    folder: RunFolder | None = None,
    watchers: Sequence[Listener] = (),
    listeners: Sequence[Listener] = (),
    last_epoch: int = 0,
    amend: Callable[[Result], Result] | None = None,
) -> Result:
    """Train with any step, from where the folder stands to the result: the part of `experiment` that knows no model.

    Args:
        step: as `fit` takes it; call `prepare` before building what it works on.
        state: what the step changes, the model as `model`; batches, progress and random states are added.
        train: the examples in `batches`, for what the folder must remember of them.
        evaluate: gives the numbers that join each epoch's record.
        watchers: told of each epoch before it is saved, so that they may end the training for good.
        listeners: told after the log and the checkpoint have been written.
        last_epoch: after which the training ends, though its schedule is that of `config.epochs`; 0 is the last.
        amend: makes of the result the one that is written; the last checkpoint is in the folder by then.
    """
    device = batches.device
    progress = Progress(device=devices.describe(device))
    whole: dict[str, Stateful] = {**state, "batches": batches, "progress": progress, "rng": RandomStates()}
    settings = {**dataclasses.asdict(config), "threads": torch.get_num_threads()}
    heard: list[Listener] = list(watchers)
    if config.patience:
        heard.append(EarlyStopping(config.patience, monitor, maximise))
    if folder is not None:
        if folder.last.is_file():
            _check_same_data(folder, train)
        folder.write_config(recipe, settings)
        folder.write_data({**describe(train), "source": _source(train)})
        if folder.last.is_file():
            restore(whole, folder.last)
        heard += [JsonLines(folder.log, progress), Checkpoints(folder, whole, monitor, maximise)]
    try:
        fit(
            step,
            batches,
            epochs=last_epoch or config.epochs,
            state=whole,
            evaluate=evaluate,
            listeners=[*heard, *listeners],
        )
    except DivergedError as error:
        if folder is None or not folder.last.is_file():
            raise
        raise DivergedError(f"{error}; the last good state is in {folder.last}") from None
    except Stopped as stopped:
        if folder is None:
            raise
        command = f"fathom train {recipe} --resume {folder.path}"
        message = f"{stopped}, saved at step {progress.step}; go on with: {command}"
        raise Stopped(message, stopped.signal_number) from None
    result = Result(
        recipe=recipe,
        config=settings,
        metrics=final_metrics(progress, monitor, maximise),
        history=tuple(progress.history),
        published=tuple(Published(**figure) for figure in published),
        data=(train.used,),
        environment=environment(device),
        seconds=progress.seconds,
        folder=str(folder.path) if folder else "",
        notes=comparison_notes(config, train.used, epochs_done=progress.epoch),
    )
    if amend is not None:
        result = amend(result)
    if folder is not None:
        folder.write_result(result)
    return result


def _source(train: Examples) -> dict[str, Any]:
    return {"name": train.used.name, "sha256": dict(train.used.sha256)}


def _check_same_data(folder: RunFolder, train: Examples) -> None:
    """RunFolderError unless the run began with the same bytes: it could not end in the same ones otherwise."""
    before, now = folder.data.get("source"), _source(train)
    if before is not None and before["sha256"] != now["sha256"]:
        raise RunFolderError(
            f"{folder.path}: expected the data that the run began with ({before['name']}), got other bytes "
            f"({now['name']}); bring them back or train anew"
        )


def check_learnt(folder: RunFolder, train: Examples, test: Examples, advice: str = "") -> None:
    """Hold the examples that a run is measured on against those that it has learnt; say it if their bytes are others.

    Args:
        advice: for those who have other classes, without a stop.

    Raises:
        InputError: they are of other classes.
    """
    learnt, there = folder.data.get("classes"), test.about.get("classes")
    if learnt is not None and learnt != there:
        classes = there or []
        raise InputError(
            f"{folder.path} has learnt {len(learnt)} classes, but {train.used.name} has {len(classes)} or others "
            f"({', '.join(map(str, classes[:4]))}, …); {advice or 'train anew on these'}"
        )
    before = folder.data.get("source")
    if before is not None and before["sha256"] != dict(train.used.sha256):
        pictures = folder.data.get("kind") == "images"
        so = ", so that it may have learnt from some of the pictures that it is measured on" if pictures else ""
        store.say(f"{folder.path}: the data have changed since it was trained{so}")


def measured_again(
    folder: RunFolder,
    config: TrainConfig,
    metrics: Mapping[str, float],
    used: DataUsed,
    published: Sequence[Mapping[str, Any]],
    note: str,
) -> Result:
    """The result of measuring a run's saved model once more; `note` says which of its checkpoints that is."""
    return Result(
        recipe=folder.recipe,
        config=dataclasses.asdict(config),
        metrics=dict(metrics),
        published=tuple(Published(**figure) for figure in published),
        data=(used,),
        environment=environment(torch.device("cpu")),
        folder=str(folder.path),
        notes=(note, *comparison_notes(config, used)),
    )


def _schedule(config: TrainConfig, steps_per_epoch: int) -> optim.Schedule | None:
    if config.schedule == "constant" and config.warmup == 0:
        return None
    return optim.create_schedule(config.schedule, config.epochs * steps_per_epoch, config.warmup)


def _average(config: TrainConfig, model: Any, steps_per_epoch: int) -> optim.WeightAverage | None:
    if not config.average:
        return None
    return optim.create_average(config.average, model, config.epochs * steps_per_epoch, steps_per_epoch)


def final_metrics(progress: Progress, monitor: str, maximise: bool) -> dict[str, float]:
    """The last epoch's record, and the best of the monitored number under `best_`."""
    last = {name: value for name, value in progress.history[-1].items() if name != "epoch"}
    scores = [record[monitor] for record in progress.history if monitor in record]
    if scores:
        last[f"best_{monitor}"] = max(scores) if maximise else min(scores)
    return last


def comparison_notes(config: TrainConfig, used: DataUsed, epochs_done: int | None = None) -> tuple[str, ...]:
    """What stands between this result and the published figure: other settings, other or sample data."""
    defaults = type(config)()
    notes = []
    if changes := config.changes():
        sources = {name: "none" if getattr(defaults, name) == "" else getattr(defaults, name) for name in changes}
        listing = ", ".join(f"{name.rstrip('_')} {value} (source {sources[name]})" for name, value in changes.items())
        notes.append(f"other settings: {listing}")
    if used.origin == "sample":
        notes.append(f"sample data: {used.name}, {sum(used.sizes.values()):,} examples")
    elif used.origin in ("generated", "package") and used.name not in config.data:
        notes.append(f"stand-in data: {used.name}{', which is generated' * (used.origin == 'generated')}")
    elif config.data != defaults.data:
        notes.append(f"other data: {config.data}")
    if epochs_done is not None and epochs_done < config.epochs:
        notes.append(f"stopped early, after epoch {epochs_done} of {config.epochs}")
    return tuple(notes)


def load_model(folder: RunFolder, build: Callable[[], nn.Module], *, best: bool = True) -> nn.Module:
    """The trained model of a run, on the CPU in evaluation mode.

    Args:
        build: gives a model of the same shape.
        best: of the best epoch; False takes the last state.

    Raises:
        RunFolderError: the run never saved anything, or its checkpoint does not fit.
    """
    path: Path = folder.best if best and folder.best.is_file() else folder.last
    if not path.is_file():
        raise RunFolderError(
            f"{folder.path} has no checkpoint yet; train it with fathom train {folder.recipe} --resume {folder.path}"
        )
    return load_weights(build(), path)
