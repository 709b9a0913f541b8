"""The desk as Annif's API has it: models are projects, and documents are about pictures."""
