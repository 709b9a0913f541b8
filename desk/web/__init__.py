"""What all pages stand on: who asks and may, the templates, the assets."""
