"""The command `trainer`: its list of commands; `commands` has their arguments."""

from common.process.terminal.command import program

app = program(
    "Train classifiers on labelled pictures, and promote one for the workers.",
    {
        "train": "trainer.commands.train:train",
        "worker": "trainer.commands.worker:worker",
        "teacher": "trainer.commands.teacher:teacher",
        "promote": "trainer.commands.promote:promote",
        "evaluate": "trainer.commands.evaluate:evaluate",
        "predict": "trainer.commands.predict:predict",
        "encoders": "trainer.commands.encoders:encoders",
        "models": "trainer.commands.models:models",
    },
)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
