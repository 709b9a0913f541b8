"""What it saves to look once: a second head reads what an encoder saw for the first.

    python -m benchmarks.look_once [--records 20000] [--synthetic 1000000]

The encoder is a resnet18 of drawn weights at 224 pixels. In one run, on a real worker against the
sandbox:

- look: a first model enriches records that show photographs of 3 megapixels, no two the same.
- read: other models on the same encoder go over all of them, one after the other. Each enriches at
  least half of them, and the sandbox hears nothing of it.
- many: a job over 100,000 records whose embeddings were drawn, and one over all that are asked for.
  Records a second must hardly fall, and the worker's memory must not grow.

Rates are those from the acceptance of a job to its end in Postgres. Of several, medians count. Jobs
of a few thousand records, as in a short form, mostly wait for the first hint: they miss the bar.
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
SAMPLE = 1024  # embeddings by which the heads' biases are set
FEWER = 100_000  # drawn embeddings that the rate over all of them is compared with
READS = 3  # models that read
BARS: Mapping[str, Bar] = {
    "times_look": at_least(100),
    "enriched_share": at_least(0.5),
    "requests_while_reading": at_most(0),
    "times_fewer": at_least(1 / 1.2),
    "memory_ratio": at_most(1.1),
}


def main(
    records: Annotated[int, typer.Option(min=256, help="That are looked at.")] = 20_000,
    synthetic: Annotated[int, typer.Option(min=512, help="Embeddings that are drawn.")] = 1_000_000,
    files: Annotated[int, typer.Option(min=8, help="That are drawn.")] = 48,
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
    """Those of the files, as a worker would keep them, give or take a bit."""
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
        "requests_while_reading": bench.requests() - before - 1,  # the question itself
    }


def _readers() -> list[str]:
    return [f"reader{number}" for number in range(READS)]


def _read(bench: LookBench, name: str, ids: Sequence[str]) -> ServiceEnded:
    ended = bench.service.run(ids, model=name, least=0.5)
    sys.stderr.write(f"  {name} {ended.rate:.0f} a second, {ended.cpu_seconds}\n")
    return ended


def _cpu_ms(ended: ServiceEnded) -> float:
    """Of worker, Postgres and Valkey, for a record."""
    return 1000 * (ended.cpu_seconds["worker"] + ended.cpu_seconds["services"]) / ended.pictures


def _enriched_share(bench: LookBench, ids: Sequence[str]) -> float:
    """The least of the models that read."""
    counted = text("""
        SELECT count(DISTINCT record_id) FROM enrichment JOIN model ON model.id = model_id
        WHERE name LIKE 'reader%' AND record_id = ANY(:ids) GROUP BY model_id
    """)
    with bench.service.engine.connect() as connection:
        counts: list[int] = list(connection.execute(counted, {"ids": list(ids)}).scalars())
    return min(counts) / len(ids)


def _read_many(bench: LookBench, synthetic: int) -> dict[str, float]:
    """The rates over few and over all drawn embeddings, and the worker's memory in GiB."""
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
    """A job over so many drawn records, and the most memory that the worker held."""
    with bench.service.engine.connect() as connection:
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        autocommit.execute(text("ANALYZE"))
    seen = [pss_gib(bench.service.worker.pid)]
    with watching(lambda: seen.append(pss_gib(bench.service.worker.pid)), per_second=1):
        ended = _read(bench, name, [drawn_id(number) for number in range(count)])
    return ended, max(seen)


if __name__ == "__main__":
    typer.run(main)
