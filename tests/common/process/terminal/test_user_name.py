from common.process.terminal.user_name import LONGEST, user_name


def test_the_name_is_that_of_the_account(monkeypatch):
    monkeypatch.setenv("LOGNAME", "a curator")
    assert user_name() == "a curator"


def test_a_name_of_any_length_is_cut(monkeypatch):
    monkeypatch.setenv("LOGNAME", "x" * 1_000)
    assert user_name() == "x" * LONGEST


def test_an_account_without_a_name_is_nobody(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_294_000_000)
    assert user_name() is None
