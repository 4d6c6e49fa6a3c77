"""What the benchmark of several engines is made of: the same events, the same rules, the same truth, each measured from outside."""
