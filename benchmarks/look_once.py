"""The gain from looking once: a second head uses the saved embeddings of the first.

    python -m benchmarks.look_once [--records 20000] [--synthetic 1000000]

The encoder is a resnet18 with random weights at 224 pixels. In one run, on a real worker against
the sandbox:

- look: a first model enriches records with photographs of 3 megapixels, all of them different.
- read: other models on the same encoder process all of them, one after the other. Each enriches at
  least half of them, and the sandbox gets no request.
- many: a job over 100,000 records with random embeddings, and one over `--synthetic` records.
  Records per second must hardly fall, and the worker's memory must not grow.

Rates are from the acceptance of a job to its end in Postgres. Medians count. Jobs of a few thousand
records, as in a short run, mostly wait for the first hint: they miss the bar.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from sqlalchemy import text

from benchmarks.parts.enrich_service import ServiceEnded
from benchmarks.parts.look_bench import HOSTS, LookBench, drawn_id, look_bench
from benchmarks.parts.picture_files import Series, draw_pictures, write_catalogue
from benchmarks.parts.report import Bar, at_least, at_most, finish
from benchmarks.parts.watching import pss_gib, watching
from common.vision.answers.heads import Embeddings, halved
from common.vision.encoders.encoder import Encoder

MEGAPIXELS = 3.0
SAMPLE = 1024  # embeddings that set the heads' biases
FEWER = 100_000  # random embeddings, to compare with the rate over all
READS = 3  # models that read
BARS: Mapping[str, Bar] = {
    "times_look": at_least(100),
    "enriched_share": at_least(0.5),
    "requests_while_reading": at_most(0),
    "times_fewer": at_least(1 / 1.2),
    "memory_ratio": at_most(1.1),
}


def main(
    records: Annotated[int, typer.Option(min=256, help="Records to look at.")] = 20_000,
    synthetic: Annotated[int, typer.Option(min=512, help="Random embeddings.")] = 1_000_000,
    files: Annotated[int, typer.Option(min=8, help="Generated files.")] = 48,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sys.stderr.write("drawing pictures\n")
        paths = draw_pictures(folder / "images", files, megapixels=(MEGAPIXELS, MEGAPIXELS))
        warm_up = Series(dataset="warm_up", records=64, hosts=HOSTS)
        series = Series(dataset="looked", records=records, hosts=HOSTS)
        write_catalogue(folder, paths, [warm_up, series])
        with look_bench(folder) as bench:
            sample = _embeddings(bench.encoder, paths)
            figures = _look_and_read(bench, sample, warm_up.ids(), series.ids())
            figures |= _read_many(bench, synthetic)
    given = {"records": records, "synthetic": synthetic}
    finish(figures=given | figures, bars=BARS)


def _embeddings(encoder: Encoder, paths: Sequence[Path]) -> Embeddings:
    """The embeddings of the files, as a worker would save them, except for the last bits."""
    preprocessing = encoder.description.preprocessing
    pictures = []
    for path in paths:
        with Image.open(path) as image:
            pictures.append(preprocessing.to_uint8(image.convert("RGB")))
    return halved(encoder.served.rows(torch.stack(pictures)))


def _look_and_read(
    bench: LookBench, sample: Embeddings, warm_up: Sequence[str], ids: Sequence[str]
) -> dict[str, float]:
    for name in ("first", *_readers()):
        bench.promote(name, sample)
    bench.service.run(warm_up, model="first", least=0.0)
    looked = bench.service.run(ids, model="first", least=0.5)
    sys.stderr.write(f"  look {looked.rate:.1f} a second\n")
    before = bench.requests()
    reads = [_read(bench, name, ids) for name in _readers()]
    rate = median(each.rate for each in reads)
    return {
        "look_rate": round(looked.rate, 1),
        "read_rate": round(rate),
        "times_look": round(rate / looked.rate, 1),
        "read_cpu_ms": round(median(_cpu_ms(each) for each in reads), 4),
        "enriched_share": round(_enriched_share(bench, ids), 3),
        "requests_while_reading": bench.requests() - before - 1,  # the request for this count
    }


def _readers() -> list[str]:
    return [f"reader{number}" for number in range(READS)]


def _read(bench: LookBench, name: str, ids: Sequence[str]) -> ServiceEnded:
    ended = bench.service.run(ids, model=name, least=0.5)
    sys.stderr.write(f"  {name} {ended.rate:.0f} a second, {ended.cpu_seconds}\n")
    return ended


def _cpu_ms(ended: ServiceEnded) -> float:
    """CPU time of worker, Postgres and Valkey per record."""
    return 1000 * (ended.cpu_seconds["worker"] + ended.cpu_seconds["services"]) / ended.pictures


def _enriched_share(bench: LookBench, ids: Sequence[str]) -> float:
    """The lowest share of the models that read."""
    counted = text("""
        SELECT count(DISTINCT record_id) FROM enrichment JOIN model ON model.id = model_id
        WHERE name LIKE 'reader%' AND record_id = ANY(:ids) GROUP BY model_id
    """)
    with bench.service.engine.connect() as connection:
        counts: list[int] = list(connection.execute(counted, {"ids": list(ids)}).scalars())
    return min(counts) / len(ids)


def _read_many(bench: LookBench, synthetic: int) -> dict[str, float]:
    """The rates over few and over all random embeddings, and the worker's memory in GiB."""
    fewer = min(FEWER, synthetic // 2)
    drawn = np.random.default_rng(0).normal(size=(SAMPLE, bench.encoder.description.dimension))
    sample = halved(drawn.astype(np.float32))
    for name in ("few", "many"):
        bench.promote(name, sample)
    bench.add_drawn(sample, range(fewer))
    few, few_gib = _read_watched(bench, "few", fewer)
    bench.add_drawn(sample, range(fewer, synthetic))
    many, many_gib = _read_watched(bench, "many", synthetic)
    return {
        "few_rate": round(few.rate),
        "many_rate": round(many.rate),
        "times_fewer": round(many.rate / few.rate, 3),
        "memory_gib": round(many_gib, 3),
        "memory_ratio": round(many_gib / few_gib, 3),
    }


def _read_watched(bench: LookBench, name: str, count: int) -> tuple[ServiceEnded, float]:
    """A job over `count` random records, and the worker's peak memory."""
    with bench.service.engine.connect() as connection:
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        autocommit.execute(text("ANALYZE"))
    seen = [pss_gib(bench.service.worker.pid)]
    with watching(lambda: seen.append(pss_gib(bench.service.worker.pid)), per_second=1):
        ended = _read(bench, name, [drawn_id(number) for number in range(count)])
    return ended, max(seen)


if __name__ == "__main__":
    typer.run(main)
