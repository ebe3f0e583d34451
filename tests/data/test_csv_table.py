import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from fathom import data
from fathom.errors import DataError, InputError, MissingExtraError

COLOURS = ["red", "green", "blue"]


@pytest.fixture
def houses(tmp_path):
    """40 rows: numbers with gaps, words with gaps, dates, a switch and a price."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "area": random.normal(100, 20, 40).round(2),
            "rooms": random.integers(1, 7, 40).astype(float),
            "colour": random.choice(COLOURS, 40),
            "sold": pd.date_range("2020-01-31", periods=40, freq="17D").strftime("%Y-%m-%d"),
            "new": random.choice([True, False], 40),
            "price": random.normal(300, 50, 40).round(1),
        }
    )
    frame.loc[[3, 5, 8], "rooms"] = np.nan
    frame.loc[[2, 9], "colour"] = None
    path = tmp_path / "houses.csv"
    frame.to_csv(path, index=False)
    return path


def load(path, split="train", options="target=price"):
    return data.load(f"csv:{path},{options}", split)


def whole(path, options="target=price"):
    return load(path, options=f"{options},test=0")


def column(dataset, name):
    return dataset.tensors["x"][:, dataset.about["features"].index(name)].double().numpy()


def test_numbers_equal_scikit_learns_scaling(houses):
    dataset, frame = whole(houses), pd.read_csv(houses)
    rooms = frame[["area", "rooms"]].fillna(frame[["area", "rooms"]].mean())
    scaler = StandardScaler().fit(frame[["area"]])
    np.testing.assert_allclose(column(dataset, "area"), scaler.transform(frame[["area"]])[:, 0], atol=1e-5)
    seen = frame[["rooms"]].dropna()
    scaled = StandardScaler().fit(seen).transform(rooms[["rooms"]])[:, 0]
    np.testing.assert_allclose(column(dataset, "rooms"), scaled, atol=1e-5)
    np.testing.assert_array_equal(column(dataset, "rooms missing"), frame["rooms"].isna())


def test_words_equal_pandas_dummies(houses):
    dataset, frame = whole(houses), pd.read_csv(houses)
    dummies = pd.get_dummies(frame["colour"], dummy_na=True)
    ours = np.stack(
        [column(dataset, f"colour={word}") for word in sorted(COLOURS)] + [column(dataset, "colour missing")], 1
    )
    np.testing.assert_array_equal(ours, dummies.to_numpy(dtype=float))
    np.testing.assert_array_equal(column(dataset, "new=True"), frame["new"])


def test_dates_become_year_month_weekday_and_day(houses):
    dataset, frame = whole(houses), pd.read_csv(houses, parse_dates=["sold"])
    dates = frame["sold"].dt
    days = (frame["sold"] - pd.Timestamp("1970-01-01")).dt.days
    for part, values in {"year": dates.year, "month": dates.month, "weekday": dates.day_of_week, "day": days}.items():
        expected = StandardScaler().fit_transform(values.to_numpy(dtype=float)[:, None])[:, 0]
        np.testing.assert_allclose(column(dataset, f"sold {part}"), expected, atol=1e-5)


def test_the_target_is_kept_as_it_is(houses):
    dataset, frame = whole(houses), pd.read_csv(houses)
    assert dataset.card.task == dataset.about["task"] == "regression"
    assert dataset.tensors["y"].shape == (40, 1)
    np.testing.assert_allclose(dataset.tensors["y"][:, 0], frame["price"], rtol=1e-6)
    assert dataset.about["target_mean"] == pytest.approx(frame["price"].mean())


def test_statistics_are_those_of_the_training_rows(houses):
    train, test = load(houses), load(houses, "test")
    assert (len(train), len(test)) == (32, 8)
    assert train.about == test.about
    np.testing.assert_allclose(column(train, "area").mean(), 0, atol=1e-6)
    np.testing.assert_allclose(column(train, "area").std(), 1, atol=1e-6)
    assert abs(column(test, "area").mean()) > 1e-3
    assert sorted(torch.cat([train.tensors["y"], test.tensors["y"]])[:, 0].tolist()) == pytest.approx(
        sorted(pd.read_csv(houses)["price"])
    )


def test_new_rows_are_encoded_as_the_training_rows_were(houses):
    dataset = whole(houses)
    from_file = data.encode_rows(dataset.about, data.read_rows(houses, dataset.about))
    assert torch.equal(from_file, dataset.tensors["x"])
    rows = pd.read_csv(houses).drop(columns="price").to_dict("records")
    assert torch.equal(data.encode_rows(dataset.about, rows), dataset.tensors["x"])
    assert torch.equal(data.encode_rows(dataset.about, rows[7:8]), dataset.tensors["x"][7:8])


def test_what_is_known_of_the_columns_survives_json(houses):
    from fathom import records

    dataset = whole(houses)
    about = records.load_json(records.dump_json(dataset.about))
    assert torch.equal(data.encode_rows(about, data.read_rows(houses, about)), dataset.tensors["x"])


def test_a_gap_that_training_never_saw_becomes_the_mean(houses):
    dataset = whole(houses)
    row = pd.read_csv(houses).to_dict("records")[0] | {"area": None, "new": ""}
    encoded = dict(zip(dataset.about["features"], data.encode_rows(dataset.about, [row])[0].tolist(), strict=True))
    assert encoded["area"] == encoded["new=True"] == encoded["new=False"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"colour": "pink"},
            "column 'colour', row 3: unknown category 'pink', known are: blue, green, red; write one of them, or leave",
        ),
        ({"area": "big"}, "column 'area', row 3: expected a number, got 'big'"),
        ({"sold": "soon"}, "column 'sold': expected a date as 2024-01-31, got 'soon'"),
    ],
)
def test_a_new_row_that_does_not_fit_is_refused(houses, change, message):
    dataset = whole(houses)
    *rows, last = pd.read_csv(houses).to_dict("records")[:3]
    with pytest.raises(DataError, match=message) as caught:
        data.encode_rows(dataset.about, [*rows, last | change])
    assert "\n" not in str(caught.value)


def test_a_new_row_without_a_column_is_refused(houses):
    with pytest.raises(DataError, match="expected a column 'area', got rooms; add it"):
        data.encode_rows(whole(houses).about, [{"rooms": 3}])


# --- classification -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "options", "classes"),
    [
        (["yes", "no"], "", ["no", "yes"]),
        (["True", "False"], "", ["False", "True"]),
        (["10", "9"], ",task=classification", ["9", "10"]),
    ],
)
def test_words_and_switches_mean_classification(tmp_path, values, options, classes):
    path = tmp_path / "t.csv"
    path.write_text("x,kind\n" + "".join(f"{i},{values[i % 2]}\n" for i in range(20)))
    train, test = load(path, options=f"target=kind{options}"), load(path, "test", f"target=kind{options}")
    assert train.card.task == "classification"
    assert train.about["classes"] == classes
    assert train.tensors["y"].dtype == torch.int64
    assert sorted(test.tensors["y"].tolist()) == [0, 0, 1, 1]


# --- forms and faults of files --------------------------------------------------------------------------------------


def written(tmp_path, text, name="t.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_separators_and_a_byte_order_mark(tmp_path):
    semicolon = written(tmp_path, "\ufeffa;y\n1;2\n3;4\n")
    tab = written(tmp_path, "a\ty\n1\t2\n3\t4\n", "t.tsv")
    for path, options in ((semicolon, "target=y,sep=;"), (tab, "target=y"), (tab, "target=y,sep=tab")):
        assert whole(path, options).about["features"] == ["a"]


def test_a_column_without_any_value_is_left_out_and_said(tmp_path, capsys):
    dataset = whole(written(tmp_path, "a,b,y\n1,,2\n3,,4\n"), "target=y")
    assert dataset.about["features"] == ["a"]
    assert "column 'b' has no value in any row and is left out" in capsys.readouterr().err


def test_rows_without_target_are_left_out_and_counted(tmp_path, capsys):
    dataset = whole(written(tmp_path, "a,y\n1,2\n3,\n5,6\n"), "target=y")
    assert len(dataset) == 2
    assert "1 of 3 rows have no y and are left out" in capsys.readouterr().err


def test_a_column_of_names_is_left_out_and_said(tmp_path, capsys):
    text = "name,a,y\n" + "".join(f"person{i},{i},{i}\n" for i in range(300))
    assert whole(written(tmp_path, text), "target=y").about["features"] == ["a"]
    assert "column 'name' has 300 different words in 300 rows and is left out" in capsys.readouterr().err


def test_columns_can_be_dropped_and_declared_dates(tmp_path):
    path = written(tmp_path, "id,when,a,y\n1,1 March 2020,1,2\n2,3 April 2021,3,4\n3,,3,4\n")
    features = whole(path, "target=y,drop=id+a,date=when").about["features"]
    assert features == ["when year", "when month", "when weekday", "when day", "when missing"]


def test_a_constant_column_becomes_zero(tmp_path):
    assert whole(written(tmp_path, "a,b,y\n7,1,2\n7,2,4\n"), "target=y").tensors["x"][:, 0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,y\n1,2\n", "target=z", "unknown target column 'z'"),
        ("area,price\n1,2\n", "target=prise", "unknown target column 'prise'; did you mean 'price'"),
        ("a,y\n1,2\n", "test=0.2", "expected target=COLUMN, got none; it is one of: a, y"),
        ("a;y\n1;2\n", "target=y", "found one column only, 'a;y'; if it is separated otherwise, give sep="),
        ("a,y\n1,\n2,\n", "target=y", "expected values in the target column 'y', got none"),
        ("a,y\n", "target=y", "expected rows below the header, got none"),
        ("", "target=y", "t.csv: expected a header and rows below it, got an empty file"),
        ("\n \n", "target=y", "t.csv: expected a header and rows below it, got an empty file"),
        ("y\n1\n2\n", "target=y", "at least one column beside the target"),
        ("a,y\n1,b\n2,c\n", "target=y,task=regression", "regression needs numbers in 'y', got 'b'"),
        ("a,y\n1,b\n2,b\n", "target=y", "at least two classes in 'y', got only 'b'"),
        ("a,y\n1,2\n3,4,5\n", "target=y", "could not be read as CSV"),
        ("a,y\n1,2,3\n3,4,5\n", "target=y", "could not be read as CSV"),
        ("a,y\n1,inf\n3,4\n", "target=y", r"expected numbers of at most 3\.4e\+38 in the target 'y', got inf; remove"),
        ("a,y\n1,-1e300\n3,4\n", "target=y", r"expected numbers of at most 3\.4e\+38 in the target 'y', got 1e\+300"),
        ("a,y\n1,2\n3,4\n", "target=y,drop=b", "unknown column in drop= 'b'"),
        ("a,y\nx,2\n3,4\n", "target=y,date=a", "column 'a': expected a date"),
        ("a,y\n1,2\n", "target=y,sep=ab", "expected one character or tab, got 'ab'"),
        ("a,y\n1,2\n", "target=y,task=ranking", "task: expected one of regression, classification, got 'ranking'"),
    ],
)
def test_wrong_tables_get_one_line(tmp_path, text, options, message):
    with pytest.raises(InputError, match=message) as caught:
        load(written(tmp_path, text), options=options)
    assert "\n" not in str(caught.value)


def test_wrong_files_get_one_line(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        load(tmp_path / "none.csv")
    with pytest.raises(DataError, match="it is a folder"):
        load(tmp_path)
    (tmp_path / "latin.csv").write_bytes("naïve,y\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match="expected UTF-8 text, got byte 0xef; save it as UTF-8"):
        load(tmp_path / "latin.csv", options="target=y")


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".gz", ".csv"])
def test_no_archive_is_opened(tmp_path, suffix):
    whole(written(tmp_path, "a,y\n1,2\n3,4\n", f"t{suffix}"), "target=y")  # its name alone does not make it one
    packed = tmp_path / f"bomb{suffix}"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", "a,y\n" + "1,2\n" * 100_000)
    with pytest.raises(DataError, match=r"bomb.*(expected UTF-8 text, got byte .*unpacked|could not be read as CSV)"):
        whole(packed, "target=y")


def test_a_number_that_no_float_can_hold_counts_as_missing(tmp_path):
    dataset = whole(written(tmp_path, "a,y\n1e308,1\n-1e308,2\n5,3\n7,4\n"), "target=y")
    assert dataset.about["features"] == ["a", "a missing"]
    np.testing.assert_array_equal(dataset.tensors["x"], [[0, 1], [0, 1], [-1, 0], [1, 0]])


def test_without_pandas_the_extra_is_named(houses, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fathom-dl\[tables\]'"):
        load(houses)
