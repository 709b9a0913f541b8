"""The publications in the store: their states, and the rate that all publishers share."""
