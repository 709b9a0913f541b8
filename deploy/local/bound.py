"""Become COMMAND, bound to the life of the process that asked for it (Linux).

`bound_command` makes the command line; run as a script, this file carries it out. A script of its
own and not a `preexec_fn`, because that is unsafe once the calling process has threads, and because
the interpreter may lie where only root can read: rights are given up last, right before COMMAND.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import NamedTuple

PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Account(NamedTuple):
    """Whom a command runs as."""

    uid: int
    gid: int


def bound_command(
    command: Sequence[str], *, death_signal: int, account: Account | None = None
) -> list[str]:
    """`command`, but run as `account` and sent `death_signal` when the thread that starts it ends.

    Only root can ask for an account; None stays who we are.
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
        prctl(PR_SET_PDEATHSIG, death_signal)  # a change of account would clear it: last
        if os.getppid() != parent:
            sys.exit("The process that asked for this command is gone.")
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, COMMAND may not
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error.strerror}")


if __name__ == "__main__":
    _parent, _death_signal, _uid, _gid, *_command = sys.argv[1:]
    _account = Account(int(_uid), int(_gid)) if _uid else None
    _become(int(_parent), int(_death_signal), _account, _command)
