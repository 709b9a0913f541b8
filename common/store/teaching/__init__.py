"""What verdicts of reviewers teach and prove: labels, refits that are asked for, certificates."""
