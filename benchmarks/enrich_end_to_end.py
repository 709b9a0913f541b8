"""Enrichment from end to end, against the best that the machine can do and against other programs.

    python -m benchmarks.enrich_end_to_end [--rounds 3] [--records 6144] [--only service]
        [--before CHECKOUT]

Pictures of 0.3 to 12 megapixels are generated here; the classifier is a resnet18. Each round
measures, one at a time:

- service: a job on a real worker against the sandbox, 100 ms latency on every answer, from its
  acceptance to its last enrichment in Postgres, at 128 and at 224 pixels. Before and after it, the
  rates of the worker's decoder alone and of its runtime alone, on all cores. If all else were free
  and no core waited, the worker would reach the bound 1 / (1 / decoder + 1 / model). The sandbox,
  Postgres and Valkey run on the same cores; the output has their CPU seconds.
- local: the same files from the local disk, at 128 pixels, through the worker's own pipeline and
  through the peers of `enrich_clients`, without their starts. The output also has the best possible
  rate on this machine, as a multiple of a DataLoader's rate.
- slow_host: a job on the records of nineteen hosts, and one with a twentieth host, which answers
  after 8 s: when are the records of the nineteen enriched?

`--before` also measures the service with the benchmark of an older checkout, which must run in this
environment, with its own store, sandbox and worker. The order changes with each round. The figure
is the processor's time per picture, with Postgres and Valkey, without the sandbox. A bar is missed
only if the whole 95 % interval of the median ratio is below it: this takes nine rounds or more.

Ratios are those of one round; their medians count.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, cast

import typer

from benchmarks.parts.drawn_models import drawn_description, put_classifier_in_service
from benchmarks.parts.enrich_local import LocalAssignment
from benchmarks.parts.enrich_service import LIMITS, Service
from benchmarks.parts.picture_files import Series, draw_pictures, write_catalogue
from benchmarks.parts.report import Bar, at_least, finish
from benchmarks.parts.rounds import Rounds
from benchmarks.parts.services import (
    LATENCY,
    REPOSITORY,
    program,
    running,
    sandbox_process,
    store_and_broker,
)
from common.vision.runtimes import RuntimeChoice

HOSTS = tuple(f"museum{number:02}.example" for number in range(1, 21))
SLOW_HOST, SLOW_SECONDS = "slow.example", 8.0
SLOW = {"hosts": {SLOW_HOST: [{"kind": "latency", "seconds": SLOW_SECONDS - LATENCY}]}}
SIZES = (128, 224)
PEER_SIZE = 128
FEW = 64  # local pictures for a checkout without a measured bound
WARM_UP = 64  # records with which the worker loads its models
PARTS = ("service", "local", "slow_host")
# Shares of the local pictures; slow clients get fewer, so that all take about the same time.
LOCAL = {
    "ours": 1.0,
    "data_loader": 0.5,
    "pilot": 0.125,
}
BARS: Mapping[str, Bar] = {
    "share_of_bound_128": at_least(0.85),
    "share_of_bound_224": at_least(0.85),
    "times_pilot": at_least(3.5),
    "times_data_loader": at_least(1.4),
    "share_of_bound_times_data_loader": at_least(0.9),
    "share_beside_slow_host": at_least(0.93),
    "times_before_cpu_128_high": at_least(1.1),
    "times_before_cpu_224_high": at_least(1),
}


@dataclass(frozen=True, kw_only=True)
class EnrichBench:
    """The input of the rounds; `assignments` are by the size of the model's pictures."""

    assignments: Mapping[int, LocalAssignment]
    rounds: Rounds

    def measure_service(self, service: Service, series: Mapping[int, Series]) -> None:
        """The worker against its bound, at each size."""
        for size, each in series.items():
            decoder = self._client("decoder", size)
            ended = service.run(each.ids(), model=f"resnet18_{size}")
            model = self._client("model", size)
            bound = self.rounds.add(f"bound_{size}", 1 / (1 / decoder + 1 / model))
            rate = self.rounds.add(f"service_{size}", ended.rate)
            self.rounds.add(f"share_of_bound_{size}", rate / bound)
            spent = {
                process: self.rounds.add(f"{process}_cpu_ms_{size}", 1000 * each / ended.pictures)
                for process, each in ended.cpu_seconds.items()
            }
            self.rounds.add(f"cpu_ms_{size}", sum(spent.values()) - spent["sandbox"])

    def measure_beside(
        self, checkout: Path, records: int, ours: Callable[[], None], *, is_first: bool
    ) -> None:
        """`ours`, and the worker of an older checkout, in this order or the other."""
        theirs = partial(self._measure_before, checkout, records)
        for measure in (ours, theirs) if is_first else (theirs, ours):
            measure()
        for size in SIZES:
            self.rounds.ratio(f"times_before_{size}", f"service_{size}", f"before_{size}")
            self.rounds.ratio(f"times_before_cpu_{size}", f"before_cpu_ms_{size}", f"cpu_ms_{size}")

    def _measure_before(self, checkout: Path, records: int) -> None:
        program = [sys.executable, "-m", "benchmarks.enrich_end_to_end", "--only", "service"]
        ended = subprocess.run(
            [*program, "--rounds", "1", "--records", str(records), "--pictures", str(FEW)],
            cwd=checkout,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = ended.stdout.splitlines()
        if not lines:  # exit code 1 may also mean that it missed its own bar
            raise SystemExit(f"the benchmark of {checkout} failed:\n{ended.stderr[-3000:]}")
        figures = json.loads(lines[-1])["figures"]
        for size in SIZES:
            self.rounds.add(f"before_{size}", figures[f"service_{size}"])
            spent = [each for name, each in figures.items() if name.endswith(f"_cpu_ms_{size}")]
            sandbox = figures[f"sandbox_cpu_ms_{size}"]
            self.rounds.add(f"before_cpu_ms_{size}", sum(spent) - sandbox)

    def measure_local(self) -> None:
        """The worker's pipeline against the peers."""
        rates = {name: self._client(name, PEER_SIZE, share=share) for name, share in LOCAL.items()}
        for name in rates.keys() - {"ours"}:
            self.rounds.add(f"times_{name}", rates["ours"] / rates[name])
        for bound in self.rounds.values.get(f"bound_{PEER_SIZE}", [])[-1:]:
            at_best = self.rounds.add("bound_times_data_loader", bound / rates["data_loader"])
            ours = rates["ours"] / rates["data_loader"]
            self.rounds.add("share_of_bound_times_data_loader", ours / at_best)

    def measure_beside_slow_host(self, service: Service, alone: Series, mixed: Series) -> None:
        """The worker with and without a slow host's records among the others."""
        model = f"resnet18_{PEER_SIZE}"
        rest = mixed.ids(but_host=SLOW_HOST)
        undisturbed = service.run(alone.ids(but_host=SLOW_HOST), model=model)
        disturbed = service.run_until(mixed.ids(), rest, model=model)
        self.rounds.add("without_slow_host", undisturbed.rate)
        self.rounds.add("beside_slow_host", disturbed.rate)
        self.rounds.add("share_beside_slow_host", disturbed.rate / undisturbed.rate)

    def _client(self, name: str, size: int, *, share: float = 1.0) -> float:
        """Pictures per second of a client, over this share of the pictures."""
        whole = self.assignments[size]
        pictures = whole.pictures[: round(share * len(whole.pictures))]
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.parts.enrich_clients", name],
            cwd=REPOSITORY,
            input=json.dumps(asdict(replace(whole, pictures=pictures))),
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise SystemExit(f"{name} failed:\n{ended.stderr[-3000:]}")
        measured = json.loads(ended.stdout.splitlines()[-1])
        return self.rounds.add(f"{name}_{size}", measured["pictures"] / measured["seconds"])


def main(
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    records: Annotated[int, typer.Option(min=64, help="Records of a job at 128 pixels.")] = 6144,
    pictures: Annotated[
        int, typer.Option(min=16, help="Local pictures; each file is used several times.")
    ] = 1920,
    files: Annotated[int, typer.Option(min=16, help="Generated files.")] = 240,
    before: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, resolve_path=True)
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help=f"One or more of {', '.join(PARTS)}.")
    ] = None,
) -> None:
    parts = only or PARTS
    with tempfile.TemporaryDirectory() as name, ExitStack() as exits:
        folder = Path(name)
        sys.stderr.write("drawing pictures\n")
        paths = draw_pictures(folder / "images", files)
        warm_up, *plan = [_Plan.of_round(0, WARM_UP)] + [
            _Plan.of_round(number, records) for number in range(1, rounds + 1)
        ]
        everything = [series for each in (warm_up, *plan) for series in each.all_series]
        write_catalogue(folder, paths, everything)
        service, assignments = _start(exits, folder, [paths[n % files] for n in range(pictures)])
        bench = EnrichBench(assignments=assignments, rounds=Rounds())
        for size, series in warm_up.of_size.items():
            service.run(series.ids(), model=f"resnet18_{size}")
        for number, each in enumerate(plan, start=1):
            sys.stderr.write(f"round {number} of {rounds}\n")
            if "service" in parts:
                ours = partial(bench.measure_service, service, each.of_size)
                if before:
                    bench.measure_beside(before, records, ours, is_first=number % 2 == 1)
                else:
                    ours()
            if "local" in parts:
                bench.measure_local()
            if "slow_host" in parts:
                bench.measure_beside_slow_host(service, each.alone, each.mixed)
    _report(bench, records=records, pictures=pictures)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """The records of one round; no other round has the same ones."""

    of_size: Mapping[int, Series]
    alone: Series
    mixed: Series

    @property
    def all_series(self) -> list[Series]:
        return [*self.of_size.values(), self.alone, self.mixed]

    @classmethod
    def of_round(cls, number: int, records: int) -> "_Plan":
        def series(kind: str, count: int, hosts: Sequence[str] = HOSTS) -> Series:
            return Series(dataset=f"{number}_{kind}", records=count, hosts=hosts)

        with_slow = (SLOW_HOST, *HOSTS[1:])
        return cls(
            of_size={size: series(str(size), records * 128 // size) for size in SIZES},
            alone=series("alone", records, with_slow),
            mixed=series("mixed", records, with_slow),
        )


def _start(
    exits: ExitStack, folder: Path, pictures: Sequence[Path]
) -> tuple[Service, Mapping[int, LocalAssignment]]:
    """Start and warm up everything that runs during the rounds."""
    engine = exits.enter_context(store_and_broker())
    options = ("--catalog", str(folder), "--hosts", "40")
    sandbox, variables = exits.enter_context(sandbox_process(folder, *options, faults=SLOW))
    model_dir, cache_dir = folder / "models", folder / "exports"
    assignments = {}
    for size in SIZES:
        description = drawn_description("resnet18", size)
        bundle, sha256 = put_classifier_in_service(
            engine, model_dir, f"resnet18_{size}", description
        )
        assignment = LocalAssignment(
            pictures=tuple(map(str, pictures)),
            size=size,
            bundle=str(bundle),
            sha256=sha256,
            runtime="auto",
            cache_dir=str(cache_dir),
        )
        assignments[size] = assignment
    runtime = _fastest(assignments[PEER_SIZE])
    environment = {
        "MODEL_DIR": str(model_dir),
        "WORKER_CACHE_DIR": str(cache_dir),
        "WORKER_RUNTIME": runtime,
        "WORKER_ASK_SECONDS": "0.5",
    }
    command = program("worker", "run")
    worker = exits.enter_context(running(command, variables | LIMITS | environment))
    service = Service(engine=engine, worker=worker, sandbox=sandbox)
    chosen = {size: replace(each, runtime=runtime) for size, each in assignments.items()}
    return service, chosen


def _fastest(assignment: LocalAssignment) -> RuntimeChoice:
    runtime = assignment.open_runtime(assignment.model())
    return cast(RuntimeChoice, runtime.name.partition("-")[0])


def _report(bench: EnrichBench, **parameters: object) -> None:
    figures = bench.rounds.figures()
    runtime = bench.assignments[PEER_SIZE].runtime
    finish(
        figures={**parameters, "runtime": runtime, **figures},
        bars={name: bar for name, bar in BARS.items() if name in figures},
    )


if __name__ == "__main__":
    typer.run(main)
