"""Datasets and trainings; a report is shown as it is, and runs nothing."""

import pytest

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def trained(filled, tmp_path):
    filled.execute("INSERT INTO dataset (name) VALUES ('maps')")
    for name in ("first", "second"):
        filled.execute(
            "INSERT INTO training_run (name, config, dataset_fingerprint, metrics)"
            " VALUES (:name, '{}', '', '{\"accuracy\": {\"mean\": 0.875}}')",
            name=name,
        )
    folder = tmp_path / "experiments" / "first"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<h1>The report</h1><script>window.taken = 1</script>")
    return filled


def test_datasets_and_trainings_are_listed_with_their_reports(trained, desk, visit):
    visit.page.goto(desk.url + "/data")
    text = visit.page.locator("main").inner_text()
    for words in ("maps", "first", "second", "87.5\N{NO-BREAK SPACE}%", "not on this desk"):
        assert words in text
    visit.page.get_by_role("link", name="report").click()
    visit.page.get_by_role("heading", name="The report").wait_for()
    assert visit.page.evaluate("window.taken") is None


@pytest.mark.parametrize("name", ["second", "none", "..%2F..%2Fetc", ".."])
def test_no_other_file_is_a_report(trained, desk, visit, name):
    assert visit.page.goto(f"{desk.url}/trainings/{name}/report").status == 404
