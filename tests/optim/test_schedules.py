"""Laws of the schedules, and what they refuse. Their equality with torch's is a matter of the table of twins."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom import optim
from fathom.errors import InputError, UnknownNameError

names = st.sampled_from(optim.schedule_names())
falling = st.sampled_from(["factor", "multi-factor", "polynomial", "linear", "exponential", "inverse", "cosine"])
ending = st.sampled_from(["linear", "polynomial", "cosine"])
totals = st.integers(1, 300)


def factors(name, total, warmup=0):
    schedule = optim.create_schedule(name, total, warmup)
    return [schedule(step) for step in range(total)]


@given(name=names, total=totals, warmup=st.integers(0, 50))
def test_every_factor_lies_between_0_and_1(name, total, warmup):
    values = factors(name, total, warmup)
    assert min(values) >= 0
    assert max(values) <= 1


@given(name=names, total=st.integers(2, 300), warmup=st.integers(2, 50))
def test_the_warm_up_rises_by_equal_steps_to_where_the_schedule_begins(name, total, warmup):
    schedule = optim.create_schedule(name, total + warmup, warmup)
    rise = [schedule(step) for step in range(warmup)]
    assert all(late > early for early, late in pairwise(rise))
    assert rise == pytest.approx([rise[-1] * (step + 1) / warmup for step in range(warmup)])
    assert rise[-1] == pytest.approx(schedule(warmup), rel=0.3)  # Noam's begins to fall at once, by √(2/3) at most


@given(name=falling, total=totals, warmup=st.integers(0, 7))
def test_what_falls_never_rises(name, total, warmup):
    after = factors(name, total + warmup, warmup)[warmup:]
    assert after[0] == 1
    assert all(late <= early for early, late in pairwise(after))


@given(name=ending, end=st.floats(0, 1), total=totals, beyond=st.integers(0, 1000))
def test_asked_beyond_its_end_a_schedule_stays_there(name, end, total, beyond):
    assert optim.create_schedule(f"{name},end={end!r}", total)(total + beyond) == pytest.approx(end, abs=1e-15)


@given(name=st.sampled_from(["constant", "factor", "exponential", "inverse", "cosine-restarts"]), total=totals)
def test_a_schedule_without_an_end_goes_on_by_its_equation(name, total):
    schedule = optim.create_schedule(name, total)
    assert 0 <= schedule(3 * total) <= 1


@pytest.mark.parametrize("step", [5, 6, 100])
def test_one_cycle_refuses_to_go_on(step):
    schedule = optim.create_schedule("one-cycle", 5)
    schedule(4)
    with pytest.raises(InputError, match=f"one-cycle: expected a step below 5, where its cycle ends, got {step}"):
        schedule(step)


@given(length=st.integers(1, 50), step=st.integers(0, 10_000), waves=st.integers(1, 20))
def test_restarts_of_one_length_are_periodic(length, step, waves):
    schedule = optim.create_schedule(f"cosine-restarts,first={length}", 1000)
    assert schedule(step) == schedule(step + waves * length)


@given(length=st.integers(1, 20), multiply=st.integers(2, 4), waves=st.integers(1, 6))
def test_each_restart_comes_where_the_lengths_add_up(length, multiply, waves):
    schedule = optim.create_schedule(f"cosine-restarts,first={length},multiply={multiply}", 10)
    starts = [sum(length * multiply**number for number in range(wave)) for wave in range(waves)]
    assert all(schedule(start) == 1 for start in starts)
    assert all(schedule(start + 1) < 1 for start in starts[1:])


@given(total=st.integers(10, 1000), rise=st.floats(0.1, 0.9))
def test_one_cycle_has_one_peak_and_ends_where_it_said(total, rise):
    values = factors(f"one-cycle,rise={rise!r}", total)
    top = max(range(total), key=values.__getitem__)
    assert values[: top + 1] == sorted(values[: top + 1])
    assert values[top:] == sorted(values[top:], reverse=True)
    assert abs(top - (rise * total - 1)) <= 1
    assert values[-1] == pytest.approx(4e-6)


@given(d_model=st.integers(1, 2048), warmup=st.integers(1, 5000), step=st.integers(0, 20_000))
def test_noam_is_the_papers_formula(d_model, warmup, step):
    number = step + 1
    expected = d_model**-0.5 * min(number**-0.5, number * warmup**-1.5)
    assert optim.noam(d_model, warmup)(step) == pytest.approx(expected)
    relative = optim.create_schedule("inverse-square-root", 1000, warmup)
    assert relative(step) == pytest.approx(expected / (d_model * warmup) ** -0.5)
    assert relative(warmup - 1) == 1


def test_noam_with_the_papers_numbers_peaks_at_its_rate():
    assert optim.noam(512)(3999) == pytest.approx(6.987712e-4)  # 512^-0.5 · 4000^-0.5


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.integers(0, 5))
def test_a_plateau_never_rises_and_waits_between_two_drops(losses, patience):
    schedule = optim.Plateau(factor=0.5, patience=patience)
    seen = [1.0]
    for loss in losses:
        schedule.observe(loss)
        seen.append(schedule(0))
    drops = [place for place in range(1, len(seen)) if seen[place] != seen[place - 1]]
    assert all(seen[place] == 0.5 * seen[place - 1] for place in drops)
    assert all(late - early > patience for early, late in pairwise(drops))


@given(before=st.lists(st.floats(allow_nan=True)), after=st.lists(st.floats(0, 1)))
def test_a_plateau_goes_on_from_its_state(before, after):
    options = {"factor": 0.5, "patience": 1, "cooldown": 1}
    whole, half, other = (optim.Plateau(**options) for _ in range(3))
    for loss in before:
        whole.observe(loss)
        half.observe(loss)
    other.load_state_dict(half.state_dict())
    for loss in after:
        whole.observe(loss)
        other.observe(loss)
    assert other.state_dict() == whole.state_dict()


def test_a_plateau_warms_up_once():
    schedule = optim.create_schedule("plateau,patience=0,factor=0.5", 100, warmup_steps=4)
    assert [schedule(step) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    for loss in (1.0, 1.0):
        schedule.observe(loss)
    assert schedule(6) == 0.5


def test_shares_are_of_what_the_warm_up_leaves():
    schedule = optim.create_schedule("multi-factor,milestones=0.5/7,factor=0.1", 23, warmup_steps=3)
    values = [schedule(step) for step in range(23)]
    assert [step for step in range(3, 23) if values[step] < values[step - 1] * 0.5] == [10, 13]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cosin", "unknown schedule 'cosin'; did you mean 'cosine'?"),
        ("cosine,ends=0", "unknown option of schedule cosine 'ends'; did you mean 'end'?"),
        ("cosine,steps=3", "unknown option of schedule cosine 'steps'"),
        ("constant,end=3", "unknown option of schedule constant 'end'; it takes no options"),
        ("cosine,end=2", "schedule cosine: end: expected a number at least 0 and at most 1, got 2"),
        ("cosine,end=low", "schedule cosine: end: expected a number, got 'low'"),
        ("factor,factor=0", "schedule factor: factor: expected a number above 0 and at most 1, got 0"),
        ("factor,every=2.5", "schedule factor: every: expected a share of the training from 0 to 1, or a whole number"),
        ("multi-factor,milestones=-3", "schedule multi-factor: milestones: expected a share of the training"),
        ("multi-factor,milestones=", "schedule multi-factor: milestones: expected a number, got ''"),
        ("polynomial,power=-1", "schedule polynomial: power: expected a number above 0, got -1"),
        ("exponential,gamma=1.5", "schedule exponential: gamma: expected a number above 0 and at most 1, got 1.5"),
        ("exponential,gamma=nan", "schedule exponential: gamma: expected a number, got 'nan'"),
        ("inverse,rate=-1", "schedule inverse: rate: expected a number at least 0, got -1"),
        ("cosine-restarts,multiply=0", "schedule cosine-restarts: multiply: expected a number at least 1, got 0"),
        ("cosine-restarts,multiply=1.5", "schedule cosine-restarts: multiply: expected a whole number, got '1.5'"),
        ("one-cycle,curve=round", "schedule one-cycle: curve: expected one of cosine, linear, got 'round'"),
        ("plateau,patience=-1", "schedule plateau: patience: expected a number at least 0, got -1"),
        ("plateau,factor=1", "schedule plateau: factor: expected a number above 0 and below 1, got 1"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(name, message):
    with pytest.raises(InputError) as error:
        optim.create_schedule(name, 100)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("total", "warmup"), [(0, 0), (-1, 0), (5, -1)])
def test_a_training_without_updates_is_refused(total, warmup):
    with pytest.raises(InputError, match="expected at least 1 and 0"):
        optim.create_schedule("cosine", total, warmup)


@pytest.mark.parametrize("arguments", [(0, 4000), (512, 0)])
def test_noam_needs_a_width_and_a_warm_up(arguments):
    with pytest.raises(InputError, match="expected a number at least 1, got 0"):
        optim.noam(*arguments)


def test_a_long_training_neither_overflows_nor_ends():
    for name in ("factor,every=1", "exponential,gamma=0.5", "inverse", "inverse-square-root"):
        assert math.isfinite(optim.create_schedule(name, 10)(10**7))


def test_an_unknown_option_is_an_unknown_name():
    with pytest.raises(UnknownNameError):
        optim.create_schedule("cosine,stop=1", 10)
