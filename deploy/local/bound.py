"""Become COMMAND, which ends with the process that asked for it (Linux).

`bound_command` makes the command line; as a script, this file runs it. A `preexec_fn` would be
unsafe if the calling process has threads. And the interpreter may be readable only for root, so the
script gives up root's rights last, right before COMMAND.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import NamedTuple

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Account(NamedTuple):
    """The account that a command runs as."""

    uid: int
    gid: int


def bound_command(
    command: Sequence[str], *, death_signal: int, account: Account | None = None
) -> list[str]:
    """A command line that runs `command` as `account`; when the starting thread ends, it gets
    `death_signal`.

    Only root can ask for an account; None means the present one.
    """
    interpreter = [sys.executable, "-I", "-S", __file__]
    uid, gid = account or ("", "")
    return [*interpreter, str(os.getpid()), str(int(death_signal)), str(uid), str(gid), *command]


def _become(parent: int, death_signal: int, account: Account | None, command: list[str]) -> None:
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    if account:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
    if prctl:
        prctl(PR_SET_PDEATHSIG, death_signal)  # last, because a change of account would clear it
        if os.getppid() != parent:
            sys.exit("The process that started this command has ended.")
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored by Python, not by COMMAND
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error.strerror}")


if __name__ == "__main__":
    _parent, _death_signal, _uid, _gid, *_command = sys.argv[1:]
    _account = Account(int(_uid), int(_gid)) if _uid else None
    _become(int(_parent), int(_death_signal), _account, _command)
