"""Jobs for operators: throughput, and actions on one job or on all that match."""
