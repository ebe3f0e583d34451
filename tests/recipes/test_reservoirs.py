"""Reservoirs as recipes: memory against its bound, chaos continued, and series that can't be learnt from."""

import pytest
import torch

from fathom.errors import DataError, InputError
from fathom.recipes import echo_state, liquid_state, memory_capacity, time_scales
from fathom.recipes.common import reservoir


def capacities(**options):
    metrics = memory_capacity.run(memory_capacity.Config(threads=1, **options)).metrics
    return {name: metrics[f"test_{name}_capacity"] for name in memory_capacity.NETS}


def test_orthogonal_weights_remember_as_much_as_there_are_units():
    found = capacities(hidden_size=23, spectral_radius=0.9, steps=4000, washout=200, batch_size=400)
    assert found["orthogonal"] == pytest.approx(23, rel=0.1)
    assert found["penalised"] < found["gaussian"] < 23.5


@pytest.mark.slow
def test_a_hundred_units_remember_a_hundred_steps_and_gaussian_ones_some_seventy():
    found = capacities()
    assert found["orthogonal"] == pytest.approx(100, rel=0.1)
    assert 65 < found["gaussian"] < 85
    assert found["penalised"] < 60


@pytest.mark.parametrize(("name", "penalty"), [("orthogonal", 0.0), ("penalised", 1e-3)])
def test_capacity_by_delay_is_what_theory_says(name, penalty):
    config = memory_capacity.Config(
        hidden_size=19, spectral_radius=0.9, steps=6000, washout=200, batch_size=600, penalty=1e-3
    )
    torch.manual_seed(0)
    nets = memory_capacity.build(config)
    step = memory_capacity.Together(nets, config)
    train, unseen = (memory_capacity.Noise(config, stream) for stream in (0, 1))
    step((train.tensors["x"], train.tensors["y"]))
    step.solve()
    seen = memory_capacity.seen_by(nets, unseen)[name][config.washout :]
    found = memory_capacity.capacities(nets[name], seen, unseen.tensors["y"][config.washout :])
    theory = memory_capacity.linear_capacities(nets[name], config.delays, penalty, 6000 - 200)
    assert (found - theory).abs().max() < 0.08
    if name == "orthogonal":  # over all delays the bound is reached
        assert memory_capacity.linear_capacities(nets[name], 400, 0.0, 1).sum().item() == pytest.approx(19, rel=1e-6)


def solved(config):
    torch.manual_seed(0)
    train, test = reservoir.load_series(config)
    model = reservoir.build(config)
    step = reservoir.Solving(model, config, outputs=1)
    step((train.tensors["x"], train.tensors["y"]))
    step.solve()
    return model, test


def test_a_chaotic_series_is_continued():
    config = echo_state.Config(hidden_size=150, density=0.1, washout=200, horizon=20, data="mackey-glass,steps=2000")
    model, test = solved(config)
    found = echo_state.measured(config, model, echo_state.held_out(config, test))
    assert found["test_nrmse"] < 1e-3
    assert found["test_nrmse_ahead"] < 0.05


def test_both_solvers_copy_a_driven_system_alike():
    errors = []
    for solver in reservoir.SOLVERS:
        config = echo_state.Config(
            hidden_size=50, density=0.2, spectral_radius=0.9, washout=100, penalty=1e-6, solver=solver, data="narma-10"
        )
        model, test = solved(config)
        errors.append(echo_state.measured(config, model, test)["test_nrmse"])
    assert errors[0] == pytest.approx(errors[1], rel=1e-4)
    assert errors[0] < 0.45  # a tenth-order linear filter stays near 0.4


def test_blocks_are_the_series_in_order():
    x = torch.arange(103.0)[:, None]
    blocks = reservoir.Blocks(x, batch_size=5)
    seen = [block for _ in range(10) for (block,) in blocks]
    assert torch.equal(torch.cat(seen), x[:100])
    with pytest.raises(InputError, match="--batch-size: expected at most 10, a tenth of the training series, got 11"):
        reservoir.Blocks(x, batch_size=11)


def test_a_washout_longer_than_the_series_is_told():
    with pytest.raises(InputError, match=r"--washout: expected fewer than 74 steps.*got 74; give a longer series"):
        reservoir.load_series(echo_state.Config(washout=74, data="mackey-glass,steps=200"))
    with pytest.raises(InputError, match="expected together at most 124, the steps of the test part, got 144"):
        echo_state.run(echo_state.Config(washout=60, batch_size=5, data="mackey-glass,steps=200"))
    with pytest.raises(InputError, match="--washout: expected fewer than 300 steps"):
        memory_capacity.Config(steps=300)
    with pytest.raises(InputError, match="--washout: expected at least 200, the greatest delay, got 50"):
        memory_capacity.Config(washout=50)


def test_data_that_are_no_series_are_told(tmp_path):
    with pytest.raises(InputError, match="expected a series, got table; give mackey-glass, narma-10 or series:FILE"):
        reservoir.load_series(echo_state.Config(data=table(tmp_path, "csv:{},target=b")))
    with pytest.raises(DataError, match="row 7: expected a finite number, got 'inf'"):
        reservoir.load_series(echo_state.Config(data=table(tmp_path, "series:{},column=a", bad="inf")))
    with pytest.raises(InputError, match="expected short series in classes, got series; give slow-waves"):
        time_scales.load_splits(time_scales.Config(data="noisy-sine"))
    with pytest.raises(InputError, match="expected trains of spikes, got series; give jittered-spikes"):
        liquid_state.load_splits(liquid_state.Config(data="noisy-sine"))


def table(folder, form, bad=""):
    rows = [f"{bad if row == 6 and bad else row / 7},{row % 3}.5" for row in range(60)]
    (folder / "table.csv").write_text("a,b\n" + "\n".join(rows) + "\n")
    return form.format(folder / "table.csv")


def test_an_own_series_is_continued_in_its_own_units(tmp_path):
    rows = "\n".join(str(50 + 10 * (step % 10)) for step in range(600))
    (tmp_path / "saw.csv").write_text(f"load\n{rows}\n")
    config = echo_state.Config(
        hidden_size=40, density=0.2, washout=50, horizon=15, penalty=1e-6, data=f"series:{tmp_path / 'saw.csv'}"
    )
    model, test = solved(config)
    found = echo_state.measured(config, model, echo_state.held_out(config, test))
    assert found["test_nrmse_ahead"] < 0.05


def test_nets_of_each_kind_have_no_more_parameters_than_the_plain_one():
    config = time_scales.Config()
    nets = time_scales.build(config, time_scales.load_splits(config)[0].about)
    counts = {name: net.net.num_weights for name, net in nets.items()}
    assert all(0.95 * counts["plain"] < count <= counts["plain"] for count in counts.values())


def test_spikes_that_can_not_be_are_told():
    about = {"spike_shape": [50, 2]}
    assert liquid_state.spikes_from(about, "3,7;").nonzero().tolist() == [[0, 3, 0], [0, 7, 0]]
    for source in ("3", "3;50", "3;x"):
        with pytest.raises(InputError, match="expected whole milliseconds below 50 with commas, 2 channels apart by ;"):
            liquid_state.spikes_from(about, source)
