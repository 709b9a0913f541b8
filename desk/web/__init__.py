"""What all pages share: requests, roles, answers, templates and assets."""
