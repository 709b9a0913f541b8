"""The command `trainer`: the list of its commands."""

from common.process.command import command_group
from trainer.commands.encoders import encoders
from trainer.commands.evaluate import evaluate
from trainer.commands.models import models
from trainer.commands.predict import predict
from trainer.commands.promote import promote
from trainer.commands.teacher import teacher
from trainer.commands.train import train
from trainer.commands.worker import worker

app = command_group("Train classifiers on labelled pictures, and promote one for the workers.")
for command in (train, worker, teacher, promote, evaluate, predict):
    app.command()(command)
app.add_typer(encoders, name="encoders")
app.add_typer(models, name="models")


def main() -> None:
    """Entry point of the command."""
    app()


if __name__ == "__main__":
    main()
