"""The models that this process has loaded, and the networks that they need to look at pictures.

Jobs in work may use different models. A model on an encoder is loaded without the encoder: its
heads answer for pictures that the encoder saw before. The encoder is loaded when a picture must be
looked at, once for all models that share it. A network has a batcher, which fills batches with
pictures of all chunks in work.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog
import torch
from sqlalchemy import Engine, text

from common.errors import ModelError
from common.store.model_names import ModelName
from common.vision.answers.answering import Answering
from common.vision.answers.saved import load_answering
from common.vision.bundle import Description, read_description
from common.vision.encoders.description import ENCODERS
from common.vision.encoders.encoder import Encoder, load_encoder
from common.vision.model import Model
from common.vision.preprocessing import Preprocessing
from common.vision.runtimes import Runtime, RuntimeChoice, choose_runtime
from common.vision.runtimes.choice import EXPORTS, check_self_test, is_float16_refused
from common.vision.saved_model import load_bundle, load_on_encoder
from common.vision.served import Served
from worker.enrich.batcher import MAX_WAIT, Batcher
from worker.enrich.slots import Slots

log = structlog.get_logger()
MAX_LOADED = 2  # networks that stay loaded while no chunk uses them
MAX_HEADS = 32  # models, without their networks, that stay as well
_MODEL = text("""
    SELECT model.name, model.version, model.path, model.sha256,
           encoder.id AS encoder_id, encoder.sha256 AS identity, encoder.dimension
    FROM model LEFT JOIN encoder ON encoder.id = model.encoder_id WHERE model.id = :model_id
""")
_ACTIVE = text("SELECT id FROM model WHERE stage = 'active'")


@dataclass(frozen=True, kw_only=True)
class EncoderInStore:
    id: int
    identity: str
    dimension: int


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model without its network; `encoder` is that of a model on an encoder."""

    id: int
    title: str
    folder: Path
    sha256: str
    answering: Answering
    encoder: EncoderInStore | None

    @property
    def description(self) -> Description:
        return self.answering.description

    @property
    def network_sha256(self) -> str:
        return self.encoder.identity if self.encoder else self.sha256


class LoadedNetwork:
    def __init__(
        self,
        runtime: Runtime,
        *,
        batch_size: int | None = None,
        max_wait: float = MAX_WAIT,
        models: Mapping[int, Model] | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self._runtime = runtime
        self._encoder = encoder
        self._models = dict(models or {})
        self._explained: Served | None = None
        self._testing = threading.Lock()
        self.runtime = runtime.name
        size = batch_size or runtime.batch_size
        self.batcher = Batcher(runtime, batch_size=size, max_wait=max_wait)
        self.batcher.start()

    def model(self, loaded: LoadedModel) -> Model:
        """A model complete with this network; it is tested when it is first asked for.

        Raises:
            ModelError: a file was changed, or the model gives other results than at promotion.
        """
        with self._testing:
            if loaded.id not in self._models:
                assert self._encoder is not None  # any other network comes with its model
                model = load_on_encoder(
                    loaded.folder, loaded.description, self._encoder, sha256=loaded.sha256
                )
                check_self_test(model, self._runtime)
                self._models[loaded.id] = _sharing(model, loaded)
                if len(self._models) > MAX_HEADS:
                    del self._models[next(iter(self._models))]  # the one tested longest ago
            return self._models[loaded.id]

    def explained(self, loaded: LoadedModel) -> Model:
        """A model for heatmaps: float32 on the worker's device, never the runtime's network."""
        model = self.model(loaded)
        with self._testing:
            self._explained = self._explained or model.served.on(self._runtime.device)
            return replace(model, served=self._explained)


def _sharing(model: Model, loaded: LoadedModel) -> Model:
    """The model without answering of its own: what a likeness compares with may take 24 MiB."""
    return replace(model, answering=loaded.answering)


class ModelsInUse:
    """The models of a chunk; their network is loaded when it is first asked for."""

    def __init__(
        self, models: Sequence[LoadedModel], load_network: Callable[[], LoadedNetwork]
    ) -> None:
        self.models = tuple(models)
        self._load_network = load_network
        self._network: LoadedNetwork | None = None

    @property
    def encoder(self) -> EncoderInStore | None:
        return self.models[0].encoder

    @property
    def preprocessing(self) -> Preprocessing:
        return self.models[0].description.preprocessing

    @property
    def runtime(self) -> str | None:
        """What computes, if the network was needed."""
        return self._network.runtime if self._network else None

    def network(self) -> LoadedNetwork:
        """The network, on which each of the models gives what it gave at promotion.

        Raises:
            ModelError: see `ModelPool.use`.
            UsageError: the requested runtime is not installed.
            DeviceError: PyTorch fails on this device.
        """
        if self._network is None:
            network = self._load_network()
            for each in self.models:
                network.model(each)
            self._network = network
        return self._network


class ModelPool:
    """Loads a model when a chunk first needs it, and a network when it is to look at a picture.

    Beyond `most_networks`, networks that no chunk uses are dropped, the longest unused first.
    """

    def __init__(
        self,
        engine: Engine,
        model_dir: Path,
        *,
        runtime: RuntimeChoice = "auto",
        cache_dir: Path | None = None,
        device: torch.device | None = None,
        batch_size: int | None = None,
        max_wait: float = MAX_WAIT,
        most_networks: int = MAX_LOADED,
    ) -> None:
        self._engine = engine
        self._model_dir = model_dir
        cache_dir = cache_dir or model_dir / EXPORTS
        self._choose = partial(choose_runtime, choice=runtime, cache_dir=cache_dir, device=device)
        self._batch_size, self._max_wait = batch_size, max_wait
        self.in_float32: set[str] = set()  # titles of models whose float16 was refused
        self._models: Slots[LoadedModel] = Slots(MAX_HEADS, lambda _: None)
        self._networks: Slots[LoadedNetwork] = Slots(most_networks, lambda one: one.batcher.stop())

    @property
    def has_model(self) -> bool:
        return self._networks.has_any or self._models.has_any

    def load_active(self) -> None:
        """Load the active model, if any, before a chunk needs it; of one on an encoder the heads.

        Raises:
            ModelError: see `use`.
        """
        with self._engine.connect() as connection:
            model_id = connection.execute(_ACTIVE).scalar_one_or_none()
        if model_id is None:
            return
        with self.use(model_id) as used:
            if used.encoder is None:
                used.network()

    @contextmanager
    def use(
        self, *model_ids: int, before_loading: Callable[[], None] = lambda: None
    ) -> Iterator[ModelsInUse]:
        """Models that share a network; all stays loaded until the block ends.

        `before_loading` is called before the network is loaded, which may take minutes.

        Raises:
            ModelError: the bundle is missing, damaged or not the promoted one, the model gives
                other results than at promotion, is on another encoder than the store says, or the
                models share no network.
        """
        with ExitStack() as exits:
            models = [
                exits.enter_context(self._models.use(each, partial(self._load, each)))
                for each in model_ids
            ]
            if len({each.network_sha256 for each in models}) > 1:
                names = ", ".join(each.folder.name for each in models)
                raise ModelError(f"The models {names} of one job use different encoders.")

            def load_network() -> LoadedNetwork:
                before_loading()
                first = models[0]
                slot = self._networks.use(first.network_sha256, partial(self._load_network, first))
                return exits.enter_context(slot)

            yield ModelsInUse(models, load_network)

    def close(self) -> None:
        self._networks.close()
        self._models.close()

    def _load(self, model_id: int) -> LoadedModel:
        with self._engine.connect() as connection:
            row = connection.execute(_MODEL, {"model_id": model_id}).one_or_none()
        if row is None:
            raise ModelError(f"There is no model with number {model_id} in the store.")
        folder = self._model_dir / row.path
        description = read_description(folder, row.sha256)
        if row.identity != description.encoder:
            raise ModelError(
                f"The model in {folder} uses {_named(description.encoder)}. In the store, it "
                f"uses {_named(row.identity)}. Promote the model again."
            )
        answering = load_answering(folder, description)
        heads = answering.heads
        if heads and heads.heads[0].dimension != row.dimension:
            raise ModelError(
                f"The heads in {folder} need {heads.heads[0].dimension} numbers, but an "
                f"embedding of their encoder has {row.dimension}."
            )
        encoder = EncoderInStore(id=row.encoder_id, identity=row.identity, dimension=row.dimension)
        return LoadedModel(
            id=model_id,
            title=ModelName(row.name, row.version).title,
            folder=folder,
            sha256=row.sha256,
            answering=answering,
            encoder=encoder if heads else None,
        )

    def _load_network(self, first: LoadedModel) -> LoadedNetwork:
        encoder = None
        if first.encoder is None:
            model = load_bundle(first.folder, expected_sha256=first.sha256)
        else:
            encoder = load_encoder(self._model_dir / ENCODERS, first.encoder.identity)
            model = load_on_encoder(first.folder, first.description, encoder, sha256=first.sha256)
        runtime = self._choose(model)
        if is_float16_refused(model.served, runtime):
            self.in_float32.add(first.title)
        check_self_test(model, runtime)
        log.info("network loaded", network=model.served.title, runtime=runtime.name)
        models = {first.id: _sharing(model, first)}
        return LoadedNetwork(
            runtime,
            batch_size=self._batch_size,
            max_wait=self._max_wait,
            models=models,
            encoder=encoder,
        )


def _named(encoder: str | None) -> str:
    return f"the encoder {encoder[:12]}..." if encoder else "no encoder"
