import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.pictures.folders import LONGEST_NAME, file_name

PART = st.text("aA_1", min_size=1, max_size=6)


@given(st.tuples(PART, PART), st.tuples(PART, PART))
def test_two_records_never_share_a_file(one, other):
    if one != other:
        assert file_name("/{}/{}".format(*one)) != file_name("/{}/{}".format(*other))


@pytest.mark.parametrize(
    ("record_id", "name"), [("/1/a", "1_a"), ("/91001/map_000003", "91001_map_000003")]
)
def test_usual_records_have_plain_names(record_id, name):
    assert file_name(record_id) == name


def test_long_ids_fit_into_a_file_system_and_stay_apart():
    names = {file_name(f"/1/{'x' * 300}{number}") for number in range(3)}
    assert len(names) == 3
    assert max(map(len, names)) <= LONGEST_NAME + 13
