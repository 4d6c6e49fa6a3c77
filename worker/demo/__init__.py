"""The demo: an embedded Apache Kafka and the traffic of a company that does not exist."""
