"""Settings in files: found from the working folder upwards, checked before anything is read."""

import os
from pathlib import Path

import pytest

from common.errors import UsageError
from common.process.settings import ImageSettings, StoreSettings
from common.process.settings.base import origins
from common.process.settings.settings_files import NAME, SECRETS_NAME, VARIABLE, name_file
from common.process.settings.worker import WorkerSettings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sub-folder in which the test works."""
    below = tmp_path / "one" / "two"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path


def write_secrets(folder: Path, text: str) -> None:
    path = folder / SECRETS_NAME
    path.touch(mode=0o600)
    path.write_text(text)


def test_a_file_above_counts_and_its_folders_start_there(folder: Path) -> None:
    (folder / NAME).write_text('image_dir = "pictures"\nfetch_requests_at_a_time = 3\n')
    settings = ImageSettings.read()
    assert settings.image_dir == folder / "pictures"
    assert settings.fetch_requests_at_a_time == 3


def test_the_environment_goes_before_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / NAME).write_text('image_dir = "pictures"\n')
    monkeypatch.setenv("IMAGE_DIR", "others")
    assert ImageSettings.read().image_dir == Path("others")
    monkeypatch.setenv("IMAGE_DIR", "")
    assert ImageSettings.read().image_dir == folder / "pictures"


def test_the_nearest_file_counts(folder: Path) -> None:
    (folder / NAME).write_text("fetch_requests_at_a_time = 3\n")
    (folder / "one" / NAME).write_text("fetch_requests_at_a_time = 4\n")
    assert ImageSettings.read().fetch_requests_at_a_time == 4


def test_a_named_file_counts_for_child_processes_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")  # so that it is as before after the test
    (folder / NAME).write_text("fetch_requests_at_a_time = 3\n")
    named = folder / "named.toml"
    named.write_text("fetch_requests_at_a_time = 5\n")
    name_file(named)
    assert ImageSettings.read().fetch_requests_at_a_time == 5
    assert os.environ[VARIABLE] == str(named)


def test_a_named_file_must_be_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(folder / "gone.toml"))
    with pytest.raises(UsageError, match=r"There is no settings file .*gone\.toml"):
        ImageSettings.read()


def test_secrets_have_a_file_of_their_own(folder: Path) -> None:
    (folder / NAME).write_text("")
    write_secrets(folder, 'database_url = "postgresql://u:hunter2@h/d"\n')
    assert "hunter2" in StoreSettings.read().database_url.get_secret_value()
    (origin,) = origins(StoreSettings)
    assert origin == ("DATABASE_URL", str(folder / SECRETS_NAME), True)


def test_secrets_count_without_the_other_file(folder: Path) -> None:
    write_secrets(folder, 'database_url = "postgresql://u:hunter2@h/d"\n')
    (origin,) = origins(StoreSettings)
    assert origin == ("DATABASE_URL", str(folder / SECRETS_NAME), True)
    assert ImageSettings.read().image_dir == Path("image_store")


def test_the_nearest_folder_that_has_one_of_them_counts(folder: Path) -> None:
    (folder / NAME).write_text("fetch_requests_at_a_time = 3\n")
    write_secrets(folder / "one", 'database_url = "postgresql://u:hunter2@h/d"\n')
    assert "hunter2" in StoreSettings.read().database_url.get_secret_value()
    assert ImageSettings.read().fetch_requests_at_a_time == 2


def test_secrets_may_be_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_secrets(elsewhere, 'database_url = "postgresql://u:hunter2@h/d"\n')
    monkeypatch.setenv(VARIABLE, str(elsewhere / SECRETS_NAME))
    assert "hunter2" in StoreSettings.read().database_url.get_secret_value()
    (elsewhere / NAME).write_text("fetch_requests_at_a_time = 3\n")
    assert ImageSettings.read().fetch_requests_at_a_time == 3


def test_secrets_that_others_may_read_are_refused(folder: Path) -> None:
    (folder / NAME).write_text("")
    write_secrets(folder, 'database_url = "postgresql://u:hunter2@h/d"\n')
    (folder / SECRETS_NAME).chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600") as refused:
        StoreSettings.read()
    assert "hunter2" not in str(refused.value)


def test_a_secret_in_the_wrong_file_is_refused(folder: Path) -> None:
    (folder / NAME).write_text('database_url = "postgresql://u:hunter2@h/d"\n')
    with pytest.raises(UsageError, match="database_url is a secret. Move it to") as refused:
        ImageSettings.read()
    assert "hunter2" not in str(refused.value)


def test_what_is_no_secret_does_not_hide_among_them(folder: Path) -> None:
    (folder / NAME).write_text("")
    write_secrets(folder, 'image_dir = "x"\n')
    with pytest.raises(UsageError, match="image_dir is not a secret"):
        ImageSettings.read()


def test_a_name_that_no_program_knows_is_refused_whoever_reads(folder: Path) -> None:
    (folder / NAME).write_text("worker_connection = 5\n")
    with pytest.raises(UsageError, match="'worker_connection'. Did you mean worker_connections?"):
        StoreSettings.read()


def test_a_name_in_capitals_as_in_the_environment_is_refused_with_the_right_one(
    folder: Path,
) -> None:
    (folder / NAME).write_text('BROKER_URL = "x"\n')
    with pytest.raises(UsageError, match="'BROKER_URL'. Did you mean broker_url?"):
        StoreSettings.read()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image_dir = \n", "is not valid TOML: .*line 1"),
        ("[worker]\nconnections = 5\n", "worker is a table or a list"),
        ("image_dir = [1]\n", "image_dir is a table or a list"),
        ("a = " + "[" * 100_000, "too many nested brackets"),
        ("a = " + "9" * 5_000, "contains a number with too many digits, or"),
        ("#" * 1_000_001, "it has 1,000,001 bytes; at most 1,000,000 are allowed"),
    ],
)
def test_a_file_that_is_none_is_refused(folder: Path, text: str, told: str) -> None:
    (folder / NAME).write_text(text)
    with pytest.raises(UsageError, match=told):
        ImageSettings.read()


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not a text file in UTF-8"):
        ImageSettings.read()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_read_only_if_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / NAME
    path.write_text("fetch_requests_at_a_time = 3\n")
    os.chown(path, 12_345, 12_345)
    with pytest.raises(UsageError, match="belongs to another user"):
        ImageSettings.read()
    monkeypatch.setenv(VARIABLE, str(path))
    assert ImageSettings.read().fetch_requests_at_a_time == 3


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_secrets_of_another_user_are_not_read_beside_a_file_of_ours(folder: Path) -> None:
    (folder / NAME).write_text("fetch_requests_at_a_time = 3\n")
    write_secrets(folder, 'database_url = "postgresql://u:hunter2@h/d"\n')
    os.chown(folder / SECRETS_NAME, 12_345, 12_345)
    with pytest.raises(UsageError, match=rf"{SECRETS_NAME} belongs to another user"):
        StoreSettings.read()


def test_a_pipe_in_place_of_a_file_of_secrets_is_refused_at_once(folder: Path) -> None:
    (folder / NAME).touch()
    os.mkfifo(folder / SECRETS_NAME, 0o600)
    with pytest.raises(
        UsageError, match=rf"{SECRETS_NAME} cannot be read: it is not a regular file"
    ):
        StoreSettings.read()


def test_a_wrong_value_is_told_with_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / NAME).write_text("worker_connections = 0\n")
    monkeypatch.setenv("WORKER_BATCH_SIZE", "many")
    with pytest.raises(UsageError) as refused:
        WorkerSettings.read()
    told = str(refused.value)
    assert told.startswith("3 settings are missing or wrong:\n")
    assert f"WORKER_CONNECTIONS ({folder / NAME}): it must be 1 or more." in told
    assert "WORKER_BATCH_SIZE (environment): it must be a whole number." in told
    assert "EUROPEANA_API_KEY is not set." in told
