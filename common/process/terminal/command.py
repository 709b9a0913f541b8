"""How every program begins and ends: its commands, its own options, the last words to its user.

A command's module is imported when the command is called. Help lists a command by the first line of
its docstring, read from the source, so that `--help` loads none of what commands need.
"""

import ast
import errno
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command, get_group

from common.errors import EnrichmentError, UsageError
from common.process.foreign_text import visible

INTERRUPTED = 130  # as a shell reports a command that ended by Ctrl-C
_DISTRIBUTION = "europeana-image-enrichment"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_HELP = {"help_option_names": ["-h", "--help"]}


@contextmanager
def loading() -> Iterator[None]:
    """Ctrl-C waits until modules are loaded: numpy would lose it, or turn it into ImportError."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _load(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    with loading():
        found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, context_settings=_HELP)
    alone.command(name)(found)
    return get_command(alone)


class _Group(TyperGroup):
    places: Mapping[str, str] = {}
    commands: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {**dict.fromkeys(self.places), **self.commands}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """As Typer; the command's module is imported now."""
        if cmd_name in self.places and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _load(cmd_name, self.places[cmd_name])
        return super().get_command(ctx, cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As Typer, on commands that know their name and first line alone."""
        listed = {
            name: TyperCommand(name, help=first_line(place)) for name, place in self.places.items()
        }
        loaded, self.commands = self.commands, self.commands | listed
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = loaded

    def main(self, *args: Any, **options: Any) -> Any:
        """As Typer, but a mistake in the arguments is shown as every other error is."""
        try:
            code = super().main(*args, **options | {"standalone_mode": False})
            if code == INTERRUPTED:  # Typer's own code for KeyboardInterrupt
                _print_error("Interrupted. The same command continues where it was.")
            _flush_output()
        except TyperException as error:
            code = _tell_mistake(error)
        except OSError as error:
            _print_error(give_up_output(error))
            code = EnrichmentError.exit_code
        sys.exit(code if isinstance(code, int) else 0)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Typer; without arguments there is help, and the exit code of wrong usage."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            raise typer.Exit(UsageError.exit_code)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """As Typer, with the log set up, and expected errors told without a traceback."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        try:
            from common.process.log import configure_logging  # help needs no log

            configure_logging()
            return super().invoke(ctx)
        except EnrichmentError as error:
            fail(str(error), error.exit_code)
        except BrokenPipeError as error:
            fail(give_up_output(error), EnrichmentError.exit_code)
        except Exception as error:
            if (words := _words_for(error)) is None:
                raise
            fail(words, EnrichmentError.exit_code)


def _tell_mistake(error: Any) -> int:
    context = getattr(error, "ctx", None)
    hint = f"\nHelp: {context.command_path} --help" if context else ""
    _print_error(f"{_mistake(error)}{hint}")
    return int(error.exit_code)


def _mistake(error: Any) -> str:
    """What is wrong with an argument; Typer has pydantic check the values."""
    if type(error.__cause__).__name__ != "ValidationError":
        return str(error.format_message())
    from common.process.wrong_values import in_words  # only now, since it needs pydantic

    wrong = error.__cause__.errors()[0]
    name = next(iter(error.param.opts), "")
    shown = name if name.startswith("-") else error.param.display_name_raw
    words = in_words(wrong).rstrip(".")
    if " is not one of " in words:  # the library's own words for a choice
        words = f"it must be one of {words.partition(' is not one of ')[2].replace(chr(39), '')}"
    return f"{shown} is {wrong['input']}: {words}."


def _words_for(error: Exception) -> str | None:
    """What to tell of an error of the database or of a file; none for a defect of ours."""
    if "sqlalchemy.exc" in sys.modules:  # else no command has loaded it, and it raised nothing
        from sqlalchemy.exc import DBAPIError

        from common.process.database_trouble import last_words

        if isinstance(error, DBAPIError):
            return last_words(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return None


def first_line(place: str) -> str:
    """The first line of help of a command or group, `module:name`, from its source.

    Raises:
        LookupError: the module does not define the name.
    """
    module, _, name = place.partition(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"{module} has no source.")
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if name in names:
                return str(ast.literal_eval(node.value.args[0]))
    raise LookupError(f"{module} defines no {name}.")


def command_group(help_text: str) -> typer.Typer:
    """Commands of one subject, inside a program; `help_text` is a literal, since help reads it."""
    return _typer(help_text, _Group)


def program(help_text: str, places: Mapping[str, str]) -> typer.Typer:
    """The application of one program.

    Args:
        places: its commands and groups by name, each as `module:name`.
    """
    app = _typer(help_text, type("_Program", (_Group,), {"places": places}), add_completion=True)
    app.callback()(_own_options)
    return app


def _typer(help_text: str, cls: type[_Group], *, add_completion: bool = False) -> typer.Typer:
    return typer.Typer(
        cls=cls,
        help=help_text,
        add_completion=add_completion,
        pretty_exceptions_enable=False,
        context_settings=_HELP,
    )


def _show_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"europeana-image-enrichment {metadata.version(_DISTRIBUTION)}")
        raise typer.Exit


def _own_options(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=(
                "Settings file. Default: enrichment.toml in this folder or in the nearest "
                "folder above it."
            ),
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    if config is not None:
        from common.process.settings.settings_files import name_file  # help needs no settings

        name_file(config)


def fail(message: str, exit_code: int) -> NoReturn:
    _print_error(message)
    raise typer.Exit(exit_code)


def _print_error(message: str) -> None:
    if message:
        print(f"error: {visible(message)}", file=sys.stderr)  # noqa: T201 - the one place for last words


def _flush_output() -> None:
    """Write what is still held back.

    Raises:
        OSError: it cannot be written.
    """
    print(end="", flush=True)  # noqa: T201 - unlike `flush`, it knows an output that is closed


def give_up_output(error: OSError) -> str:
    """Why standard output cannot be written, in words; what is left of it is dropped.

    Empty if its reader went away, as `head` does: that needs no words.

    Raises:
        OSError: the error is that of another file, or another one.
    """
    if isinstance(error, BrokenPipeError):
        words = ""
    elif error.filename is None and error.errno in _FULL:
        words = "The output cannot be written, since its disk is full. Make room there."
    else:
        raise error
    with suppress(OSError):  # else the interpreter tries again at its end, and complains
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return words
