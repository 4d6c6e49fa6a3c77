"""The only package that knows Faust and aiokafka: a batch transport, one round's commit, restore, timers, topics."""
