"""`trainer teacher`."""


def teacher() -> None:
    """Retrain heads when the desk requests it, until you stop it. After SIGTERM, it finishes the
    current model.

    You can run several teachers: each teacher retrains a different model. You need DATABASE_URL and
    MODEL_DIR.
    """
    from common.process.settings import ModelSettings
    from common.store.session import open_store
    from trainer.teaching.teacher import run_teacher

    model_dir, engine = ModelSettings.read().model_dir, open_store()
    run_teacher(engine, model_dir)
    engine.dispose()
