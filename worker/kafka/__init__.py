"""
How brokers are spoken to, for worker and commands alike: security, clients, topics and permissions, and what aiokafka keeps to itself.

`security` and `tls` make the options of every client, `refusals` says in words why brokers refuse us. `topics` plans, checks and
creates topics, `acls` lists the permissions that each command needs. `aiokafka_private` is the one module that touches private
names of aiokafka, with the protocol that it lacks in `txn_offsets`, `named_heartbeat` and `authorized_operations`.
"""
