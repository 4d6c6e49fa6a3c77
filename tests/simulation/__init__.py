"""The worker's own code against a simulated Kafka and simulated disks, in virtual time: `python -m tests.simulation`."""
