"""What teaches: verdicts of reviewers as labels, and the refits that are asked for with them."""
